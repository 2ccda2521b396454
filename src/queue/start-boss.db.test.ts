import { sql } from "kysely";
import { expect } from "vitest";
import { adminToken, serviceTest as test } from "../testing/fixtures/service-fixture.ts";

test("API and worker start and work on a pg-boss schema that is one version ahead", async ({
  database,
  launch,
}) => {
  await sql`update pgboss.version set version = version + 1`.execute(database.db);
  const api = launch("api");
  const worker = launch("worker", { WORKER_PORT: "" });
  await Promise.all([api.started(), worker.started()]);

  expect((await fetch(`${api.url()}/readyz`)).status).toBe(200);
  const made = await fetch(`${api.url()}/v1/organizations`, {
    method: "POST",
    headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
    body: JSON.stringify({ name: "Acme" }),
  });
  expect(made.status).toBe(201);
  expect(api.output()).toContain("queue_schema_ahead");
  expect(await Promise.all([api.stop(), worker.stop()])).toEqual([0, 0]);
});

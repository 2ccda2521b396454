import { sql } from "kysely";
import { expect } from "vitest";
import { apiTest as test } from "../../testing/fixtures/api-fixture.ts";
import { linkCustomer } from "../../testing/rows/organizations.ts";

const unknownId = "00000000-0000-7000-8000-000000000000";

test("a new organization has no subscription and no sensors", async ({ api }) => {
  const token = api.adminToken;
  const created = await api.ask("POST", "/v1/organizations", { token, json: { name: " Acme " } });
  expect(created.status).toBe(201);
  expect(Object.keys(created.body)).toEqual(["id", "name", "external_id", "created_at"]);

  const shown = await api.ask("GET", `/v1/organizations/${String(created.body["id"])}`, { token });
  expect(shown.body).toEqual({
    ...created.body,
    name: "Acme",
    external_id: null,
    archived: false,
    archived_at: null,
    subscription: null,
    billable: false,
    sensors: { active: 0 },
  });
});

test("only active sensors are counted", async ({ api }) => {
  const { id, key } = await api.join();
  for (const sensor of ["a", "b", "c"]) await api.ask("PUT", `/v1/sensors/${sensor}`, { token: key });
  await api.ask("PUT", "/v1/sensors/b", { token: key, json: { active: false } });
  const shown = await api.ask("GET", `/v1/organizations/${id}`, { token: api.adminToken });
  expect(shown.body["sensors"]).toEqual({ active: 2 });
});

test("pages together list every organization once, the oldest first", async ({ api }) => {
  const token = api.adminToken;
  const names = ["a", "b", "c", "d", "e"];
  for (const name of names) await api.ask("POST", "/v1/organizations", { token, json: { name } });
  const listed: unknown[] = [];
  let path: string | undefined = "/v1/organizations?limit=2";
  while (path !== undefined && listed.length < 10) {
    const { body } = await api.ask("GET", path, { token });
    listed.push(body["data"]);
    const cursor: unknown = body["next_cursor"];
    path = typeof cursor === "string" ? `/v1/organizations?limit=2&cursor=${cursor}` : undefined;
  }
  expect(listed).toMatchObject([
    [{ name: "a" }, { name: "b" }],
    [{ name: "c" }, { name: "d" }],
    [{ name: "e" }],
  ]);
});

test("an organization that does not exist is not found, whatever its id looks like", async ({ api }) => {
  for (const id of [unknownId, "nonsense", "1", "%00", "' or 1=1"]) {
    const answer = await api.ask("GET", `/v1/organizations/${id}`, { token: api.adminToken });
    expect(answer).toMatchObject({ status: 404, body: { code: "not_found" } });
  }
});

test("a name that Postgres could not store is refused", async ({ api }) => {
  for (const name of ["", "  ", "a\0b", "a\nb", "\ud800", "x".repeat(201), 1, null]) {
    const answer = await api.ask("POST", "/v1/organizations", { token: api.adminToken, json: { name } });
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: "/name" }] } });
  }
});

test("an organization's key opens no operator's route", async ({ api }) => {
  const { id, key, keyId } = await api.join();
  const routes = [
    ["GET", "/v1/organizations"],
    ["POST", "/v1/organizations"],
    ["GET", `/v1/organizations/${id}`],
    ["PUT", `/v1/organizations/${id}/subscription`],
    ["GET", `/v1/organizations/${id}/api-keys`],
    ["POST", `/v1/organizations/${id}/api-keys`],
    ["DELETE", `/v1/organizations/${id}/api-keys/${keyId}`],
  ] as const;
  for (const [method, path] of routes) {
    for (const token of [key, undefined]) {
      const answer = await api.ask(method, path, token === undefined ? {} : { token });
      expect(answer).toMatchObject({ status: 401, body: { code: "unauthorized" } });
    }
  }
});

test("an organization that is linked and not billable shows in the list", async ({
  api,
  database: { db },
}) => {
  const billable = async () => {
    const { body } = await api.ask("GET", "/v1/organizations", { token: api.adminToken });
    return (body["data"] as Record<string, unknown>[]).map((one) => one["billable"]);
  };
  const { id } = await api.join();
  expect(await billable()).toEqual([false]);
  await linkCustomer(db, id, { customer: "cus_1" });
  expect(await billable()).toEqual([true]);
  await sql`update metering.subscriptions set status = 'paused'`.execute(db);
  expect(await billable()).toEqual([false]);
});

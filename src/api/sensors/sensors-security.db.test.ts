import { expect } from "vitest";
import { apiTest as test } from "../../testing/fixtures/api-fixture.ts";

test("another organization's sensors are neither seen nor changed", async ({ api }) => {
  const ours = await api.join();
  const theirs = await api.join();
  await api.ask("PUT", "/v1/sensors/shared", { token: theirs.key, json: { name: "theirs" } });

  expect((await api.ask("GET", "/v1/sensors/shared", { token: ours.key })).status).toBe(404);
  expect((await api.ask("GET", "/v1/sensors", { token: ours.key })).body["data"]).toEqual([]);

  const put = await api.ask("PUT", "/v1/sensors/shared", { token: ours.key, json: { active: false } });
  expect(put.status).toBe(201);
  const json = { sensors: [{ id: "shared", name: "ours" }] };
  expect((await api.ask("POST", "/v1/sensors", { token: ours.key, json })).body["registered"]).toBe(0);
  const kept = await api.ask("GET", "/v1/sensors/shared", { token: theirs.key });
  expect(kept.body).toMatchObject({ name: "theirs", active: true });
});

test("another organization's cursor shows only our own sensors", async ({ api }) => {
  const ours = await api.join();
  const theirs = await api.join();
  for (const id of ["a", "b"]) await api.ask("PUT", `/v1/sensors/${id}`, { token: theirs.key });
  await api.ask("PUT", "/v1/sensors/z", { token: ours.key });
  const { body } = await api.ask("GET", "/v1/sensors?limit=1", { token: theirs.key });
  const path = `/v1/sensors?cursor=${String(body["next_cursor"])}`;
  expect((await api.ask("GET", path, { token: ours.key })).body["data"]).toMatchObject([{ id: "z" }]);
});

test("writing needs the scope ingest and reading the scope read", async ({ api }) => {
  const reader = await api.join(["read"]);
  const writer = await api.join(["ingest"]);
  const refusal = { status: 403, body: { code: "insufficient_scope" } };
  expect(await api.ask("PUT", "/v1/sensors/a", { token: reader.key })).toMatchObject(refusal);
  const json = { sensors: [{ id: "a" }] };
  expect(await api.ask("POST", "/v1/sensors", { token: reader.key, json })).toMatchObject(refusal);
  expect(await api.ask("GET", "/v1/sensors", { token: writer.key })).toMatchObject(refusal);
  expect(await api.ask("GET", "/v1/sensors/a", { token: writer.key })).toMatchObject(refusal);
  expect((await api.ask("GET", "/v1/sensors", { token: reader.key })).status).toBe(200);
  expect((await api.ask("PUT", "/v1/sensors/a", { token: writer.key })).status).toBe(201);
});

test("without a valid key nothing is told, not even what is wrong with the body", async ({ api }) => {
  const { key } = await api.join();
  for (const token of [undefined, "", api.adminToken, `${key}x`, key.toUpperCase(), `mo_${"a".repeat(43)}`]) {
    const answer = await api.ask("PUT", "/v1/sensors/a%20b", {
      ...(token !== undefined && { token }),
      json: { x: 1 },
    });
    expect(answer).toMatchObject({ status: 401, body: { code: "unauthorized" } });
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
  }
});

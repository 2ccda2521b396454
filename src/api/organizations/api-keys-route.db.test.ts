import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { apiTest as test } from "../../testing/fixtures/api-fixture.ts";

const unknownId = "00000000-0000-7000-8000-000000000000";

test("a key is shown once; the list tells it by its prefix", async ({ api }) => {
  const { id } = await api.join();
  const path = `/v1/organizations/${id}/api-keys`;
  const token = api.adminToken;
  const { status, body } = await api.ask("POST", path, { token, json: { name: "gateway" } });
  expect(status).toBe(201);
  expect(body).toMatchObject({ key: expect.stringMatching(/^mo_/) as unknown, scopes: ["ingest", "read"] });
  const { key, prefix } = body;
  expect(String(key).startsWith(String(prefix))).toBe(true);

  const listed = await api.ask("GET", path, { token });
  expect(JSON.stringify(listed.body)).not.toContain(key);
  const fields = ["id", "name", "prefix", "scopes", "created_at", "last_used_at", "revoked_at"];
  const [, second] = listed.body["data"] as [unknown, Record<string, unknown>];
  expect(Object.keys(second)).toEqual(fields);
  expect(second).toMatchObject({
    id: body["id"],
    name: "gateway",
    prefix,
    last_used_at: null,
    revoked_at: null,
  });
});

test("the database holds no key", async ({ api, database }) => {
  const { key } = await api.join();
  const stored = await database.db.selectFrom("api_keys").selectAll().execute();
  expect(stored).toHaveLength(1);
  expect(
    stored.map((row) => JSON.stringify({ ...row, key_hash: row.key_hash.toString() })).join(),
  ).not.toContain(key);
});

test("a key without a body may do everything; with scopes, only those", async ({ api }) => {
  const { id } = await api.join();
  const path = `/v1/organizations/${id}/api-keys`;
  const token = api.adminToken;
  expect((await api.ask("POST", path, { token })).body["scopes"]).toEqual(["ingest", "read"]);
  const twice = await api.ask("POST", path, { token, json: { scopes: ["read", "read"] } });
  expect(twice.body["scopes"]).toEqual(["read"]);
});

test("scopes that do not exist, and none at all, are refused", async ({ api }) => {
  const { id } = await api.join();
  const path = `/v1/organizations/${id}/api-keys`;
  for (const scopes of [["admin"], [], "read", null, [null]]) {
    const answer = await api.ask("POST", path, { token: api.adminToken, json: { scopes } });
    expect(answer).toMatchObject({ status: 400, body: { code: "invalid_request" } });
  }
});

test("a revoked key is refused within a second", async ({ api }) => {
  const { id, key, keyId } = await api.join();
  expect((await api.ask("GET", "/v1/sensors", { token: key })).status).toBe(200);
  const revoked = await api.ask("DELETE", `/v1/organizations/${id}/api-keys/${keyId}`, {
    token: api.adminToken,
  });
  expect(revoked.status).toBe(204);
  // The rule is about time itself, so this test waits.
  await sleep(600);
  expect(await api.ask("GET", "/v1/sensors", { token: key })).toMatchObject({ status: 401 });
});

test("revoking twice is like revoking once", async ({ api, database }) => {
  const { id, keyId } = await api.join();
  const path = `/v1/organizations/${id}/api-keys/${keyId}`;
  const revokedAt = async () =>
    (await database.db.selectFrom("api_keys").select("revoked_at").executeTakeFirstOrThrow()).revoked_at;
  expect((await api.ask("DELETE", path, { token: api.adminToken })).status).toBe(204);
  const first = await revokedAt();
  expect((await api.ask("DELETE", path, { token: api.adminToken })).status).toBe(204);
  expect(await revokedAt()).toEqual(first);
});

test("a key of another organization is not found, and stays valid", async ({ api }) => {
  const ours = await api.join();
  const theirs = await api.join();
  for (const keyId of [theirs.keyId, unknownId, "nonsense"]) {
    const path = `/v1/organizations/${ours.id}/api-keys/${keyId}`;
    expect((await api.ask("DELETE", path, { token: api.adminToken })).status).toBe(404);
  }
  await sleep(600);
  expect((await api.ask("GET", "/v1/sensors", { token: theirs.key })).status).toBe(200);
});

test("an organization that does not exist has no keys and gets none", async ({ api, database }) => {
  const path = `/v1/organizations/${unknownId}/api-keys`;
  expect((await api.ask("GET", path, { token: api.adminToken })).status).toBe(404);
  expect((await api.ask("POST", path, { token: api.adminToken })).status).toBe(404);
  expect(await database.db.selectFrom("api_keys").select("id").execute()).toEqual([]);
});

test("no key and no token reaches the log", async ({ api }) => {
  const { key } = await api.join();
  await api.ask("GET", "/v1/sensors", { token: key });
  await api.ask("GET", "/v1/sensors", { token: `${key}x` });
  await api.ask("GET", `/v1/sensors?cursor=${key}`, { token: key });
  await api.ask("PUT", "/v1/sensors/a", { token: key, json: { name: key, [key]: 1 } });
  const logged = JSON.stringify(api.events);
  expect(api.events.length).toBeGreaterThan(4);
  expect(logged).not.toContain(key);
  expect(logged).not.toContain(api.adminToken);
});

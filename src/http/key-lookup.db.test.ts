import { randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { expect, vi } from "vitest";
import type { Db } from "../database/db.ts";
import { storeApiKey } from "../organizations/api-keys.ts";
import { openDatabase } from "../database/pool.ts";
import { silentLog } from "../log.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { holdOpen } from "../testing/postgres/locks.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { patienceMs } from "../testing/processes/patience.ts";
import { until } from "../testing/processes/until.ts";
import { makeApiKey } from "./api-key.ts";
import { createKeyLookup } from "./key-lookup.ts";

/** With two connections for strangers, as the API has them. */
const test = databaseTest.extend("strangers", async ({ database }, { onCleanup }) => {
  const way = { connectionString: database.url, applicationName: "strangers", connectionsMax: 2 };
  // A flood may wait for its connections as long as the test does.
  const strangers = openDatabase({ ...way, connectTimeoutMs: 60_000 }, silentLog);
  onCleanup(strangers.close);
  return strangers;
});

async function storeKey(db: Db) {
  const organizationId = await addOrganization(db);
  const { key, prefix, keyHash } = makeApiKey(randomBytes(32));
  const stored = await storeApiKey(db, {
    organizationId,
    name: "",
    prefix,
    keyHash,
    scopes: ["read"],
  });
  if (stored.kind !== "stored") throw new Error(`the key was not stored: ${stored.kind}`);
  return { organizationId, key, keyId: stored.id };
}

const revokeAll = (db: Db) => db.updateTable("api_keys").set({ revoked_at: new Date() }).execute();
const lastUsedAt = async (db: Db) =>
  (await db.selectFrom("api_keys").select("last_used_at").executeTakeFirstOrThrow()).last_used_at;

test("a key is remembered for half a second and not longer", async ({ database: { db } }) => {
  const { organizationId, key, keyId } = await storeKey(db);
  let now = 0;
  const findKey = createKeyLookup({ db, now: () => now });
  expect(await findKey(key)).toEqual({ keyId, organizationId, isArchived: false, scopes: ["read"] });
  await revokeAll(db);
  now = 499;
  expect(await findKey(key)).toBeDefined();
  now = 500;
  expect(await findKey(key)).toBeUndefined();
});

test("a revoked key ends in time, too, when the system clock is set back", async ({ database: { db } }) => {
  const { key } = await storeKey(db);
  const clock = vi.spyOn(Date, "now");
  const findKey = createKeyLookup({ db });
  expect(await findKey(key)).toBeDefined();
  await revokeAll(db);
  clock.mockReturnValue(Date.now() - 3_600_000);
  const revokedAt = performance.now();
  const isOver = () => performance.now() - revokedAt >= patienceMs(5_000);
  while ((await findKey(key)) !== undefined && !isOver()) await setTimeout(10);
  expect(isOver()).toBe(false);
  clock.mockRestore();
});

test("known keys in use are looked up again in one query, and each ends in time", async ({
  database: { db, pool },
}) => {
  const keys = await Promise.all(Array.from({ length: 5 }, () => storeKey(db)));
  const [first, revoked, unused, ...others] = keys;
  let now = 0;
  const findKey = createKeyLookup({ db, now: () => now });
  for (const { key } of keys) await findKey(key);
  now = 399;
  for (const { key, keyId } of keys.filter((one) => one !== unused))
    expect(findKey.recall(key)).toMatchObject({ keyId });
  let queries = 0;
  pool.on("acquire", () => (queries += 1));

  now = 500;
  for (const { key } of keys) expect(findKey.recall(key)).toBeUndefined();
  await db
    .updateTable("api_keys")
    .set({ revoked_at: new Date() })
    .where("id", "=", revoked?.keyId ?? "")
    .execute();
  queries = 0;
  await findKey(first?.key ?? "");
  expect(queries).toBe(1);
  for (const { key, keyId } of others) expect(findKey.recall(key)).toMatchObject({ keyId });
  expect(findKey.recall(revoked?.key ?? "")).toBeUndefined();
  expect(findKey.recall(unused?.key ?? "")).toBeUndefined();
  expect(await findKey(revoked?.key ?? "")).toBeUndefined();
});

test("a key in use is looked up again before it runs out, so that no request waits for it", async ({
  database: { db },
}) => {
  const { key, keyId } = await storeKey(db);
  let now = 0;
  const findKey = createKeyLookup({ db, now: () => now });
  await findKey(key);
  now = 400;
  expect(findKey.recall(key)).toMatchObject({ keyId });
  now = 500;
  await until(() => findKey.recall(key) !== undefined, { what: "the renewed look-up" });
  await revokeAll(db);
  now = 800;
  await until(() => findKey.recall(key) === undefined, { what: "the renewal that finds the key revoked" });
  now = 900;
  expect(await findKey(key)).toBeUndefined();
});

test("a key that was unknown a moment ago is found as soon as it exists", async ({ database: { db } }) => {
  const findKey = createKeyLookup({ db, now: () => 0 });
  const { key, prefix, keyHash } = makeApiKey(randomBytes(32));
  expect(await findKey(key)).toBeUndefined();
  const organizationId = await addOrganization(db);
  await storeApiKey(db, { organizationId, name: "", prefix, keyHash, scopes: ["read"] });
  expect(await findKey(key)).toBeDefined();
});

test("the use of a key is noted at most once a minute", async ({ database: { db } }) => {
  const { key } = await storeKey(db);
  let now = 0;
  const findKey = createKeyLookup({ db, now: () => (now += 1_000) });
  expect(await lastUsedAt(db)).toBeNull();
  await findKey(key);
  const first = await lastUsedAt(db);
  expect(first).toBeInstanceOf(Date);
  await findKey(key);
  expect(await lastUsedAt(db)).toEqual(first);

  const twoMinutesAgo = new Date(Date.now() - 120_000);
  await db.updateTable("api_keys").set({ last_used_at: twoMinutesAgo }).execute();
  await findKey(key);
  expect(await lastUsedAt(db)).not.toEqual(twoMinutesAgo);
});

test("a key is found while somebody holds its row", async ({ database: { db } }) => {
  const { key } = await storeKey(db);
  await db.transaction().execute(async (trx) => {
    await trx.selectFrom("api_keys").selectAll().forUpdate().execute();
    expect(await createKeyLookup({ db })(key)).toBeDefined();
  });
});

test("a database that fails is asked again at once", async ({ database: { db } }) => {
  const { key } = await storeKey(db);
  const findKey = createKeyLookup({ db, now: () => 0 });
  await db.schema.alterTable("api_keys").renameTo("api_keys_away").execute();
  await expect(findKey(key)).rejects.toThrow("api_keys");
  await db.schema.alterTable("api_keys_away").renameTo("api_keys").execute();
  expect(await findKey(key)).toBeDefined();
});

test("a flood of wrong keys takes the strangers' connections only, and a known key does not wait behind it", async ({
  database: { db, pool },
  strangers,
}) => {
  const { key, keyId } = await storeKey(db);
  let now = 0;
  const findKey = createKeyLookup({ db, unknownKeysDb: strangers.db, now: () => now });
  await findKey(key);
  const release = await holdOpen(pool, "lock table metering.api_keys");
  const flood = Array.from({ length: 200 }, () => findKey(makeApiKey(randomBytes(32)).key));
  await until(() => strangers.pool.waitingCount === 198, { what: "the flood to wait" });
  expect(pool.totalCount - pool.idleCount).toBe(1);

  now = 500;
  const known = findKey(key);
  await until(() => pool.totalCount - pool.idleCount === 2, { what: "the known key's own look-up" });
  await release();
  expect(await known).toMatchObject({ keyId });
  expect(new Set(await Promise.all(flood))).toEqual(new Set([undefined]));
});

test("more unknown keys than may wait are refused at once", async ({ database: { db, pool }, strangers }) => {
  const findKey = createKeyLookup({ db, unknownKeysDb: strangers.db });
  const release = await holdOpen(pool, "lock table metering.api_keys");
  const wrongKey = () => findKey(makeApiKey(randomBytes(32)).key);
  const waiting = Array.from({ length: 1_000 }, wrongKey);
  await expect(wrongKey()).rejects.toMatchObject({ fields: { status: 503, code: "overloaded" } });
  await release();
  expect(new Set(await Promise.all(waiting))).toEqual(new Set([undefined]));
  expect(await wrongKey()).toBeUndefined();
});

test("a key that was known is no stranger after the database was away", async ({
  database: { db },
  strangers,
}) => {
  const { key } = await storeKey(db);
  let now = 0;
  const findKey = createKeyLookup({ db, unknownKeysDb: strangers.db, now: () => now });
  await findKey(key);
  now = 500;
  await db.schema.alterTable("api_keys").renameTo("api_keys_away").execute();
  await expect(findKey(key)).rejects.toThrow("api_keys");
  await db.schema.alterTable("api_keys_away").renameTo("api_keys").execute();
  await strangers.close();
  expect(await findKey(key)).toBeDefined();
});

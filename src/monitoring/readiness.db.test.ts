import { sql } from "kysely";
import { expect, inject } from "vitest";
import { openDatabase } from "../database/pool.ts";
import { silentLog } from "../log.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { createReadinessCheck } from "./readiness.ts";

const hasRoles = inject("testServer").roles !== undefined;
const hourMs = 3_600_000;

/** One connection for probes, as a process has it; its owner may do everything. */
const test = databaseTest.extend("probes", async ({ database }, { onCleanup }) => {
  const probes = openDatabase(
    { connectionString: database.url, applicationName: "probes", connectionsMax: 1 },
    silentLog,
  );
  onCleanup(probes.close);
  return probes;
});

test("a process whose database can be written is ready, by one question a probe", async ({ probes }) => {
  const check = createReadinessCheck(probes, "api");
  expect(await check()).toEqual({});

  let questions = 0;
  probes.pool.on("acquire", () => void (questions += 1));
  expect(await check()).toEqual({});
  expect(questions).toBe(1);
});

test("one whose database may only be read is not ready, and is again when it may be written", async ({
  probes,
  database: { db },
}) => {
  const check = createReadinessCheck(probes, "worker");
  const onlyRead = async (isOn: "on" | "off") => {
    const name = new URL(probes.pool.options.connectionString ?? "").pathname.slice(1);
    await sql`alter database ${sql.id(name)} set default_transaction_read_only = ${sql.lit(isOn)}`.execute(
      db,
    );
  };
  await onlyRead("on");
  expect(await check()).toEqual({ database: "it may only be read" });
  await onlyRead("off");
  expect(await check()).toEqual({});
});

test.runIf(hasRoles)(
  "an API with the worker's role is not ready, and names what it may not do",
  async ({ database }) => {
    const check = createReadinessCheck({ db: database.as("worker").db, renew: () => {} }, "api");
    expect(await check()).toEqual({
      rights: expect.stringMatching(/^missing: .*\bselect on metering\.api_keys\b/),
    });
  },
);

test("a role that lost the way into the schema is named, too", async ({ database }) => {
  await sql`alter schema metering rename to metering_gone`.execute(database.db);
  const parts = await createReadinessCheck({ db: database.db, renew: () => {} }, "api")();
  expect(parts["rights"]).toContain("usage on metering,");
});

test.for([
  { offMs: hourMs, said: "this machine's is 3600 s ahead of the database's" },
  { offMs: -hourMs, said: "this machine's is 3600 s behind the database's" },
])("one whose clock is off is not ready: $said", async ({ offMs, said }, { probes }) => {
  const now = () => new Date(Date.now() + offMs);
  expect(await createReadinessCheck({ ...probes, now }, "api")()).toEqual({ clock: said });
});

test("one that cannot reach the database is not ready", async ({ onTestFinished }) => {
  const nowhere = openDatabase(
    { connectionString: "postgres://127.0.0.1:1/nowhere", applicationName: "probes", connectionsMax: 1 },
    silentLog,
  );
  onTestFinished(nowhere.close);
  expect(await createReadinessCheck(nowhere, "api")()).toEqual({ database: "unreachable" });
});

import { sql } from "kysely";
import { expect } from "vitest";
import { openDatabase } from "../database/pool.ts";
import { silentLog } from "../log.ts";
import { apiTest } from "../testing/fixtures/api-fixture.ts";
import { holdOpen } from "../testing/postgres/locks.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { until } from "../testing/processes/until.ts";
import { awaitLocks, lockWaitMsMax, migrateSessions } from "./await-locks.ts";

/** Vitest's `test` with connections as `migrate` has them. */
const test = apiTest.extend("migrating", async ({ database }, { onCleanup }) => {
  const { db, close } = openDatabase(
    {
      connectionString: database.url,
      applicationName: migrateSessions,
      connectionsMax: 2,
      statementTimeoutMs: 0,
      lockWaitMsMax,
    },
    silentLog,
  );
  onCleanup(close);
  return db;
});

const alterReadings = sql`alter table metering.readings add column of_tomorrow integer`;
/** As pg_dump holds a table, for as long as it takes. */
const readAll = "select count(*) from metering.readings";

test("intake goes on while a long reader keeps a migration from its lock, and then the migration is made", async ({
  api,
  database,
  migrating,
}) => {
  const { key } = await api.join();
  expect((await api.ask("PUT", "/v1/sensors/freezer-1", { token: key, json: {} })).status).toBe(201);
  const release = await holdOpen(database.pool, readAll);
  const { log, events } = createRecordingLog();
  const altering = { isOver: false, attempts: 0 };
  const made = awaitLocks({ db: migrating, log }, () => {
    altering.attempts += 1;
    return alterReadings.execute(migrating);
  }).finally(() => Object.assign(altering, { isOver: true }));

  const answered: { status: number; accepted: unknown }[] = [];
  const startedAtMs = Date.now();
  while (altering.attempts < 3) {
    // Each of its own moment.
    const at = new Date(startedAtMs - answered.length).toISOString();
    const json = { sensor_id: "freezer-1", recorded_at: at, temperature: -18 };
    const { status, body } = await api.ask("POST", "/v1/readings", { token: key, json });
    answered.push({ status, accepted: body["accepted"] });
  }
  expect(altering.isOver).toBe(false);
  await release();
  await made;

  expect(answered.length).toBeGreaterThan(5);
  expect(answered).toEqual(answered.map(() => ({ status: 200, accepted: 1 })));
  const { rows } = await sql`select of_tomorrow from metering.readings`.execute(database.db);
  expect(rows).toHaveLength(answered.length);
  // Told once, since a minute has not passed.
  expect(events).toEqual([
    { event: "migration_awaits_lock", holders: [expect.anything()], gives_up_in_seconds: expect.any(Number) },
  ]);
});

test("the session in the way is told by its name, process and time, without a word of its query", async ({
  database,
  migrating,
}) => {
  const { log, events } = createRecordingLog();
  const release = await holdOpen(database.pool, `set local application_name = 'pg_dump'; ${readAll}`);
  const made = awaitLocks({ db: migrating, log }, () => alterReadings.execute(migrating));
  await until(() => events.length > 0, { what: "the wait to be told" });
  const { rows } = await database.pool.query<{ pid: number }>(
    "select pid from pg_stat_activity where application_name = 'pg_dump' and datname = current_database()",
  );
  await release();
  await made;

  expect(events).toMatchObject([
    {
      event: "migration_awaits_lock",
      holders: [{ pid: rows[0]?.pid, application_name: "pg_dump", transaction_seconds: expect.any(Number) }],
    },
  ]);
  expect(JSON.stringify(events)).not.toContain("select");
});

test("after its patience a migration fails and says who is in the way and what to do", async ({
  database,
  migrating,
}) => {
  const release = await holdOpen(database.pool, `set local application_name = 'psql'; ${readAll}`);
  const patience = { againAfterMs: 10, patienceMs: 3_000, tellEveryMs: 0 };
  const { log, at } = createRecordingLog();

  const failed = await awaitLocks(
    { db: migrating, log },
    () => alterReadings.execute(migrating),
    patience,
  ).catch((error: unknown) => error);
  await release();

  expect(String(failed)).toMatch(/pid \d+ \(psql, in a transaction for \d+ s\)/);
  expect(String(failed)).toContain("pg_terminate_backend(pid), and migrate again");
  expect(at("warn").length).toBeGreaterThan(0);
});

test("what fails for another reason than a lock is not done again", async ({ migrating }) => {
  const { log, events } = createRecordingLog();
  let attempts = 0;

  const failed = awaitLocks({ db: migrating, log }, () => {
    attempts += 1;
    return sql`alter table metering.readings add column sensor_id text`.execute(migrating);
  });

  await expect(failed).rejects.toThrow("already exists");
  expect({ attempts, events }).toEqual({ attempts: 1, events: [] });
});

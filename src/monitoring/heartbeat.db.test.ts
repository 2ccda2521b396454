import { sql } from "kysely";
import { expect, onTestFinished } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { until } from "../testing/processes/until.ts";
import { forgetOldProcesses, type SendRate, startHeartbeat } from "./heartbeat.ts";

const kinds = ["api", "worker"] as const;

test.for(kinds)(
  "the %s says that it runs, and when it leaves that it does not",
  async (kind, { database }) => {
    const { db } = database.as(kind);
    const read = async () =>
      (
        await sql<{ kind: string; isStopped: boolean }>`
        select kind, stopped_at is not null as "isStopped" from metering.processes
      `.execute(db)
      ).rows;
    const { log, events } = createRecordingLog();
    const heartbeat = startHeartbeat({ db, log }, kind === "worker" ? { kind, transport: "sync" } : { kind });
    await until(async () => (await read()).length > 0, { what: "a heartbeat" });
    expect(await read()).toEqual([{ kind, isStopped: false }]);

    await heartbeat.stop();
    expect(await read()).toEqual([{ kind, isStopped: true }]);
    expect(events).toEqual([]);
  },
);

test("a worker says how fast it may send, and one in shadow mode that it sends nothing", async ({
  database,
}) => {
  const { db } = database.as("worker");
  const { log } = createRecordingLog();
  const rates: (SendRate | undefined)[] = [{ perSecond: 7.5, perSecondMax: 15 }, undefined];
  for (const rate of rates) {
    const heartbeat = startHeartbeat(
      { db, log },
      { kind: "worker", transport: "sync", readRate: () => rate },
    );
    const read = () =>
      db.selectFrom("processes").select(["rate_per_second", "rate_per_second_max"]).execute();
    await until(async () => (await read()).length > 0, { what: "a heartbeat" });
    expect(await read()).toEqual([
      { rate_per_second: rate?.perSecond ?? null, rate_per_second_max: rate?.perSecondMax ?? null },
    ]);
    await heartbeat.stop();
    await database.db.deleteFrom("processes").execute();
  }
});

test("a clock that is off is logged though nobody probes", async ({ database: { db } }) => {
  const { log, events } = createRecordingLog();
  const heartbeat = startHeartbeat({ db, log, now: () => new Date(Date.now() - 7_200_000) }, { kind: "api" });
  onTestFinished(heartbeat.stop);
  await until(() => events.length > 0, { what: "a line" });
  expect(events).toMatchObject([
    { event: "clock_off", message: "this machine's is 7200 s behind the database's" },
  ]);
});

test("what was last seen long ago is forgotten", async ({ database }) => {
  await sql`
    insert into metering.processes (id, kind, seen_at)
    values (gen_random_uuid(), 'api', now() - interval '31 days'), (gen_random_uuid(), 'worker', now())
  `.execute(database.db);
  await forgetOldProcesses(database.as("worker").db);
  const kept = await sql`select kind from metering.processes`.execute(database.db);
  expect(kept.rows).toEqual([{ kind: "worker" }]);
});

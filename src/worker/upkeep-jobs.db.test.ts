import { sql } from "kysely";
import { expect } from "vitest";
import { addMonths } from "../database/months.ts";
import { openDatabase } from "../database/pool.ts";
import { openUpkeepDatabase, type RetentionDays } from "../database/retention.ts";
import { silentLog } from "../log.ts";
import { ensureQueues } from "../queue/install.ts";
import { retentionQueue } from "../queue/queues.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { monthsAgo, openOldMonths } from "../testing/rows/old-usage.ts";
import { organizationOf } from "../testing/rows/organizations.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { parseScrape, seriesOf } from "../testing/net/scraped.ts";
import { until } from "../testing/processes/until.ts";
import { readConditions } from "../monitoring/alerts/read-conditions.ts";
import { lookAtRetention, startRetention } from "./upkeep-jobs.ts";
import { billableByDefault } from "../usage/subscription-statuses.ts";

const days: RetentionDays = { readings: undefined, meter_outbox: 100, delivery_attempts: 100 };
const retry = { retryDelay: 1, retryDelayMax: 2, expireInSeconds: 30 };

test("a month that takes longer to count than other statements may is dropped all the same", async ({
  database,
  boss,
}) => {
  await openOldMonths(database.db, 6);
  await sql`alter function metering.drop_partition rename to drop_partition_at_once`.execute(database.db);
  await sql`
    create function metering.drop_partition(text, timestamptz)
    returns table (outcome text, dropped_rows bigint, unsealed bigint, open_events bigint)
    language plpgsql
    as 'begin perform pg_sleep(0.4); return query values (''dropped'', 1::bigint, 0::bigint, 0::bigint); end'
  `.execute(database.db);
  const worker = database.as("worker");
  const impatient = openDatabase(
    {
      connectionString: worker.url,
      applicationName: "impatient",
      connectionsMax: 2,
      statementTimeoutMs: 100,
      answerDelayMsMax: 100,
    },
    silentLog,
  );
  const { log, events } = createRecordingLog();
  await ensureQueues(boss, retry);
  await boss.send(retentionQueue.name, null);
  const retention = await startRetention(
    { db: impatient.db, boss, log },
    { databaseUrl: worker.url, days: { ...days, delivery_attempts: undefined } },
  );
  try {
    const ended = () => events.find(({ event }) => event === "partition_dropped" || event === "job_failed");
    await until(() => ended() !== undefined, { what: "the job to end" });
    expect(ended()).toMatchObject({ event: "partition_dropped", table: "meter_outbox" });
  } finally {
    await boss.stop({ graceful: true, timeout: 5_000 });
    await retention.stop();
    await impatient.close();
  }
});

test("the connection of retention lets a statement take half an hour", async ({ database }) => {
  const upkeep = openUpkeepDatabase(database.as("worker").url, silentLog);
  try {
    const said = await sql`select current_setting('statement_timeout') as limit`.execute(upkeep.db);
    expect(said.rows).toEqual([{ limit: "30min" }]);
  } finally {
    await upkeep.close();
  }
});

test("a month that is still there a day past its retention is a metric, an alert and a log line", async ({
  database,
  api,
}) => {
  const { db } = database;
  const { log, events } = createRecordingLog();
  const look = (change: Partial<RetentionDays> = {}) =>
    lookAtRetention({ db: database.as("worker").db, log }, { ...days, ...change });
  await look();
  expect(events).toEqual([]);

  await openOldMonths(db, 6);
  await appendEntries(db, await organizationOf(db, "cus_1"), [{ at: monthsAgo(6), quantity: 1 }]);
  await look({ delivery_attempts: undefined });

  const dueAt = addMonths(monthsAgo(6), 1).getTime() + 100 * 86_400_000;
  const overdue = expect.toSatisfy(
    (value: number) => Math.abs(value - (Date.now() - dueAt) / 1_000) < 60,
    "since the month's end and its hundred days",
  );
  expect(events).toEqual([{ event: "partitions_overdue", meter_outbox: overdue }]);
  expect(await readConditions(db, { billableStatuses: billableByDefault })).toContainEqual({
    rule: expect.objectContaining({ name: "MeterOutboxPartitionOverdue" }) as unknown,
    subject: "table=meter_outbox",
    value: overdue,
    isTrue: true,
  });
  const { text } = await api.askText("GET", "/metrics");
  expect(parseScrape(text)).toMatchObject({
    'meter_outbox_partition_overdue_seconds{table="meter_outbox"}': overdue,
  });
  expect(seriesOf(parseScrape(text), "meter_outbox_partition_overdue_seconds")).toHaveLength(1);
});

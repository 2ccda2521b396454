import { sql } from "kysely";
import { expect, onTestFinished, vi } from "vitest";
import type { RetentionDays } from "../database/retention.ts";
import { ensurePartitions } from "../database/partitions.ts";
import type { Db } from "../database/db.ts";
import { withoutTriggers } from "../testing/postgres/without-triggers.ts";
import { findViolations } from "../testing/rows/invariants.ts";
import {
  monthsAgo,
  nameOfMonth,
  openOldMonths,
  sealAndDeliverOld,
  takeInOld,
} from "../testing/rows/old-usage.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { enforceRetention } from "./retention-job.ts";

/** All tables are kept for 200 days. */
const days: RetentionDays = { readings: 200, meter_outbox: 200, delivery_attempts: 200 };

/** An organization's usage of a year ago up to now, sealed and delivered. */
const test = roadTest.extend("old", async ({ database, boss }) => {
  const { db } = database;
  await openOldMonths(db, 13);
  const organizationId = await takeInOld(db, [
    { at: monthsAgo(12), readings: 3 },
    { at: monthsAgo(11), readAt: monthsAgo(12), readings: 2 },
    { at: monthsAgo(9), readings: 4 },
    { at: monthsAgo(1), readings: 5 },
  ]);
  await sealAndDeliverOld({ db, boss });
  const { log, events } = createRecordingLog();
  return {
    organizationId,
    events,
    /** As the worker does, whose role owns no table. */
    enforce: (change: Partial<RetentionDays> = {}) =>
      enforceRetention({ db: database.as("worker").db, boss, log }, { ...days, ...change }),
  };
});

test("months past their days are dropped, told of, and missed by nobody", async ({
  old,
  database: { db },
}) => {
  expect(await findViolations(db)).toEqual([]);

  await old.enforce();

  const dropped = old.events.filter(({ event }) => event === "partition_dropped");
  expect(dropped.filter(({ rows }) => Number(rows) > 0)).toEqual([
    { event: "partition_dropped", table: "readings", month: month(12), rows: 5 },
    { event: "partition_dropped", table: "readings", month: month(9), rows: 4 },
    { event: "partition_dropped", table: "meter_outbox", month: month(12), rows: 1 },
    { event: "partition_dropped", table: "meter_outbox", month: month(11), rows: 1 },
    { event: "partition_dropped", table: "meter_outbox", month: month(9), rows: 1 },
    { event: "partition_dropped", table: "delivery_attempts", month: month(12), rows: 1 },
    { event: "partition_dropped", table: "delivery_attempts", month: month(11), rows: 1 },
    { event: "partition_dropped", table: "delivery_attempts", month: month(9), rows: 1 },
  ]);
  expect(await countRows(db)).toEqual({
    readings: 5,
    meter_outbox: 1,
    delivery_attempts: 1,
    meter_events: 4,
  });
  expect(await findViolations(db)).toEqual([]);
  await old.enforce();
  expect(old.events).toHaveLength(dropped.length);
});

test("each table has its own days, and readings are kept for ever without any", async ({
  old,
  database: { db },
}) => {
  await old.enforce({ readings: undefined, meter_outbox: 300, delivery_attempts: undefined });

  expect(await countRows(db)).toMatchObject({ readings: 14, meter_outbox: 2, delivery_attempts: 4 });
  expect(await findViolations(db)).toEqual([]);
});

test("a worker whose clock is a year ahead drops no month too early", async ({ old, database: { db } }) => {
  vi.useFakeTimers({ toFake: ["Date"], now: monthsAgo(-12) });
  onTestFinished(() => void vi.useRealTimers());

  await old.enforce({ readings: 300, meter_outbox: 300, delivery_attempts: 300 });

  expect(await countRows(db)).toMatchObject({ readings: 9, meter_outbox: 2, delivery_attempts: 2 });
});

test("readings may go before the entries that count them", async ({ old, database: { db } }) => {
  await old.enforce({ meter_outbox: undefined, delivery_attempts: undefined });

  expect(await countRows(db)).toMatchObject({ readings: 5, meter_outbox: 4 });
  expect(await findViolations(db)).toEqual([]);
});

test.for(["pending", "in_doubt", "rejected"])(
  "a %s event keeps its readings, entries and attempts, and is told of once",
  async (state, { old, database: { db } }) => {
    // Its entry was taken in a month after its readings were measured.
    await putInState(db, { months: 11, state });

    await old.enforce();

    const kept = [
      nameOfMonth("readings", 12),
      nameOfMonth("meter_outbox", 11),
      nameOfMonth("delivery_attempts", 11),
    ];
    expect(old.events.filter(({ event }) => event === "partitions_kept")).toEqual([
      { event: "partitions_kept", partitions: kept, unsealed_entries: 0, open_meter_events: 1 },
    ]);
    expect(await countRows(db)).toMatchObject({ readings: 10, meter_outbox: 2, delivery_attempts: 2 });
    expect(await findViolations(db)).toEqual([]);
  },
);

test.for(["superseded", "expired"])("a %s event keeps nothing", async (state, { old, database: { db } }) => {
  await putInState(db, { months: 11, state });
  await old.enforce();
  expect(await countRows(db)).toMatchObject({ readings: 5, meter_outbox: 1, delivery_attempts: 1 });
});

test.for([
  ["of its hour", "0 months"],
  ["of usage carried into another month", "1 month"],
])(
  "what replaces an event keeps the entries of the first, %s, until it is final",
  async ([, later], { old, database: { db } }) => {
    await putInState(db, { months: 11, state: "superseded" });
    const { rows } = await sql<{ id: string; next: string }>`
    select id, metering.uuid_v7(event_at) as next from metering.meter_events where state = 'superseded'
  `.execute(db);
    for (const { id, next } of rows) {
      await sql`update metering.meter_events set replaced_by_id = ${next} where id = ${id}`.execute(db);
      await sql`
      insert into metering.meter_events (organization_id, id, meter, hour, quantity, event_at, entries,
        stripe_customer_id, state, replaces_id, carried_from)
      select organization_id, replaced_by_id, meter, hour + ${later}::interval, quantity,
        event_at + ${later}::interval, entries, stripe_customer_id, 'pending', id,
        case when ${later} <> '0 months' then hour end
      from metering.meter_events where id = ${id}
    `.execute(db);
    }

    await old.enforce();
    expect(await countRows(db)).toMatchObject({ readings: 10, meter_outbox: 2 });

    await sql`update metering.meter_events set state = 'delivered', delivered_at = now() where state = 'pending'`.execute(
      db,
    );
    await old.enforce();
    expect(await countRows(db)).toMatchObject({ readings: 5, meter_outbox: 1 });
    expect(await findViolations(db)).toEqual([]);
  },
);

test("an unsealed entry keeps its month and that of its readings", async ({ old, database: { db } }) => {
  await takeInOld(db, [{ at: monthsAgo(10), readAt: monthsAgo(12), readings: 1 }]);

  await old.enforce();

  expect(old.events).toContainEqual({
    event: "partitions_kept",
    partitions: [nameOfMonth("readings", 12), nameOfMonth("meter_outbox", 10)],
    unsealed_entries: 1,
    open_meter_events: 0,
  });
  expect(await findViolations(db)).toEqual([]);
});

test("a month that a reading was just stored in is left for later", async ({
  old,
  boss,
  database: { db },
}) => {
  await takeInOld(db, [{ at: new Date(), readAt: monthsAgo(12), readings: 1 }], old.organizationId);
  await sealAndDeliverOld({ db, boss });

  await old.enforce();

  expect(old.events).toContainEqual({ event: "partitions_busy", partitions: [nameOfMonth("readings", 12)] });
  expect(await countRows(db)).toMatchObject({ readings: 11 });
  const { rows } = await sql<{ minutes: number }>`
    select extract(epoch from start_after - now())::float8 / 60 as minutes from pgboss.job where name = 'drop-partitions'
  `.execute(db);
  expect(rows).toEqual([{ minutes: expect.closeTo(60, 0) }]);
});

test("whoever reads for long keeps a month, and intake goes on meanwhile", async ({ old, database }) => {
  const { db } = database;
  const reader = await db.startTransaction().execute();
  await sql`select count(*) from metering.readings`.execute(reader);
  const job = { isOver: false };
  const enforced = old
    .enforce({ meter_outbox: undefined, delivery_attempts: undefined, readings: 300 })
    .finally(() => Object.assign(job, { isOver: true }));

  const tookMs: number[] = [];
  while (!job.isOver) {
    const startedAt = performance.now();
    await takeInOld(
      db,
      [{ at: new Date(startedAt + performance.timeOrigin), readings: 1 }],
      old.organizationId,
    );
    tookMs.push(performance.now() - startedAt);
  }
  await enforced;

  expect(tookMs.length).toBeGreaterThan(10);
  // Three tries at the lock make three waits, 200 ms each at most; a slow machine makes one or two of them longer.
  expect(tookMs.toSorted((a, b) => b - a)[2]).toBeLessThan(1_500);
  expect(old.events.map(({ event }) => event)).toEqual(["partitions_busy"]);
  expect(await countRows(db)).toMatchObject({ readings: 14 + tookMs.length });
  await reader.commit().execute();
  await old.enforce({ readings: 300 });
  expect(old.events.at(1)).toMatchObject({ event: "partition_dropped" });
});

test("a month that a session reads for long is left for an hour, and the later ones go", async ({
  old,
  database,
}) => {
  const { db } = database;
  const reader = await db.startTransaction().execute();
  try {
    await sql`select count(*) from metering.${sql.ref(partitionOf("readings", 12))}`.execute(reader);
    await old.enforce();
  } finally {
    await reader.commit().execute();
  }

  expect(old.events).toContainEqual({ event: "partitions_busy", partitions: [nameOfMonth("readings", 12)] });
  expect(await countRows(db)).toMatchObject({ readings: 10, meter_outbox: 1, delivery_attempts: 1 });
  expect(await findViolations(db)).toEqual([]);
});

test("a month that the database refuses to drop is named by the job's error, and the others go", async ({
  old,
  database: { db },
}) => {
  const partition = partitionOf("readings", 12);
  await sql`create view public.of_an_analyst as select * from metering.${sql.ref(partition)}`.execute(db);

  const failed = await old.enforce().catch((error: unknown) => error);

  expect(failed).toMatchObject({
    message: "some months were not dropped",
    errors: [
      {
        message: `the month ${month(12)} of readings was not dropped`,
        cause: { message: `cannot drop table metering.${partition} because other objects depend on it` },
      },
    ],
  });
  expect(
    old.events.filter(({ event, rows }) => event === "partition_dropped" && Number(rows) > 0),
  ).toHaveLength(7);
  expect(await countRows(db)).toMatchObject({ readings: 10, meter_outbox: 1, delivery_attempts: 1 });
  expect(await findViolations(db)).toEqual([]);
});

test("a lock that comes free in time is had", async ({ old, database: { db } }) => {
  const reader = await db.startTransaction().execute();
  await sql`select count(*) from metering.meter_outbox`.execute(reader);
  const enforced = old.enforce({ readings: undefined, delivery_attempts: undefined, meter_outbox: 300 });
  await until(() => isExclusiveLockAwaited(db), { what: "the job to want the table" });
  await reader.commit().execute();
  await enforced;

  expect(old.events.map(({ event }) => event)).not.toContain("partitions_busy");
  expect(await countRows(db)).toMatchObject({ meter_outbox: 2 });
});

test("a run that is killed leaves nothing half done, and the next one does it all", async ({
  old,
  database: { db },
}) => {
  const trx = await db.startTransaction().execute();
  const { rows } = await sql<{ outcome: string }>`
    select outcome from metering.drop_partition('readings', ${startOf(12)})
  `.execute(trx);
  expect(rows).toEqual([{ outcome: "dropped" }]);
  await trx.rollback().execute();
  expect(await countRows(db)).toMatchObject({ readings: 14 });
  expect(await findViolations(db)).toEqual([]);

  await old.enforce({ meter_outbox: undefined, delivery_attempts: undefined });

  expect(await countRows(db)).toMatchObject({ readings: 5 });
});

test("a month that was dropped is not opened again, and takes no reading", async ({
  old,
  database: { db },
}) => {
  await old.enforce();

  // As after READINGS_MAX_AGE_DAYS was raised.
  expect(await ensurePartitions(db, { now: monthsAgo(10), readingsMaxAgeDays: 40 })).toEqual([]);
  const again = await sql`
    insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
    values (${old.organizationId}, 'a', ${monthsAgo(12)}, 4.5, gen_random_uuid())
    returning recorded_at
  `.execute(db);
  expect(again.rows).toEqual([]);
  expect(await countRows(db)).toMatchObject({ readings: 5, meter_outbox: 1 });
});

test.for([
  ["api_keys", 12, "there is no partitioned table"],
  ["readings_default", 12, "there is no partitioned table"],
  ["readings", 2, "ended less than 70 days ago"],
  ["meter_outbox", 1, "ended less than 70 days ago"],
  ["delivery_attempts", 0, "ended less than 70 days ago"],
] as const)(
  "drop_partition drops nothing of %s %i months ago",
  async ([table, months, fault], { database }) => {
    const dropping = sql`select metering.drop_partition(${table}, ${startOf(months)})`.execute(database.db);
    await expect(dropping).rejects.toThrow(fault);
  },
);

test("drop_partition is for whom it was granted to", async ({ database: { db } }) => {
  const { rows } = await sql`
    select p.proname from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) granted
    where p.pronamespace = 'metering'::regnamespace and granted.grantee = 0
      and p.proname in ('drop_partition', 'create_partition', 'count_what_keeps', 'is_written', 'write_down')
  `.execute(db);
  expect(rows).toEqual([]);
});

function startOf(months: number): Date {
  const at = monthsAgo(months);
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1));
}

function partitionOf(table: string, months: number): string {
  return `${table}_${month(months).replace("-", "_")}`;
}

function month(months: number): string {
  return startOf(months).toISOString().slice(0, 7);
}

async function putInState(db: Db, { months, state }: { months: number; state: string }): Promise<void> {
  await withoutTriggers(db, async (trx) => {
    await sql`
      update metering.meter_events set state = ${state} where date_trunc('month', hour at time zone 'UTC') = ${startOf(months)}::timestamptz at time zone 'UTC'
    `.execute(trx);
  });
}

async function countRows(db: Db): Promise<Record<string, number> | undefined> {
  const { rows } = await sql<Record<string, number>>`
    select
      (select count(*)::int from metering.readings) as readings,
      (select count(*)::int from metering.meter_outbox) as meter_outbox,
      (select count(*)::int from metering.delivery_attempts) as delivery_attempts,
      (select count(*)::int from metering.meter_events) as meter_events
  `.execute(db);
  return rows[0];
}

async function isExclusiveLockAwaited(db: Db): Promise<boolean> {
  const { rows } = await sql`
    select from pg_locks
    where mode = 'AccessExclusiveLock' and not granted and relation = 'metering.meter_outbox'::regclass
      and database = (select oid from pg_database where datname = current_database())
  `.execute(db);
  return rows.length > 0;
}

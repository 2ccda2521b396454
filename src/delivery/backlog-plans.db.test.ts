import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { createQueryBuilder } from "../database/query-builder.ts";
import { silentLog } from "../log.ts";
import { type Reminder, remindToDeliver } from "../queue/deliver-job.ts";
import { loadShipments } from "../outbox/load-shipments.ts";
import { openCountingPool } from "../testing/plans/counting-pool.ts";
import { analyzeOtherQueues } from "../testing/plans/other-queues.ts";
import { readsListsAtOnce } from "../testing/plans/reads-lists-at-once.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import { deliver } from "./deliver.ts";
import { createOpenShipments } from "./open-shipments.ts";
import { settleAttempts } from "./settle.ts";
import { takeJobs } from "./take-jobs.ts";
import { endShipped, takeShipped } from "./take-shipments.ts";

const meter = "temperature_readings";
const customers = 300;
const eventsOfEach = 10;
const batch = 100;
const turns = 3;
/** What a statement may read for each event that it is about: a few indexes, and customers that are not free. */
const rowsPerEventMax = 5;

// As after an outage: everything waits, and no table has been analyzed.
roadTest
  .skipIf(localOnly("EXPLAIN of a statement that a cluster sends to its nodes does not tell their plans"))
  .for([
    { how: "told in each transaction", plansByIndex: false, manyOfEach: false, tripsPerTurn: 4 + 4 + 4 + 5 },
    // Each trip is a turn of the worker's loop, in which it handles all answers of Stripe's: they must be few.
    { how: "told once", plansByIndex: true, manyOfEach: false, tripsPerTurn: 1 + 1 + 1 + 4 },
    { how: "told once, and go by stream,", plansByIndex: true, manyOfEach: true, tripsPerTurn: 1 + 1 + 4 },
  ])(
  "of 3,000 events that wait, a worker whose connections are $how to plan by index reads those that it takes and settles",
  async ({ plansByIndex, manyOfEach, tripsPerTurn }, { database: { db, url }, boss }) => {
    await analyzeOtherQueues(db, boss);
    await addBacklog({ db, boss });
    const { pool, rowsRead, trips } = openCountingPool(url, {
      about: /meter_events|pgboss\.job/,
      plansByIndex,
    });
    const plain = createQueryBuilder(pool);
    const counted: Db = plansByIndex ? Object.assign(plain, { plansByIndex }) : plain;
    try {
      for (let turn = 0; turn < turns; turn += 1) await takeAndSettle({ db: counted, boss, manyOfEach });
    } finally {
      await counted.destroy();
    }

    const judged = (await readsListsAtOnce(db))
      ? rowsRead
      : rowsRead.filter(({ text }) => !ofPgBoss.test(text));
    const greedy = judged.filter(({ rows }) => rows > rowsPerEventMax * batch);
    expect(rowsRead.length).toBeGreaterThanOrEqual(turns * 4);
    expect(judged.length).toBeGreaterThanOrEqual(turns * 2);
    expect(greedy).toEqual([]);
    expect(trips()).toBe(turns * tripsPerTurn);
  },
);

// Autovacuum analyzes when it likes: also while the seal writes an account's first events.
roadTest.skipIf(
  localOnly("EXPLAIN of a statement that a cluster sends to its nodes does not tell their plans"),
)(
  "of 3,000 events that were analyzed before they were committed, a worker reads those that it takes, settles and gives back",
  async ({ database: { db, url }, boss }) => {
    await addBacklog({ db, boss }, { isAnalyzedMeanwhile: true });
    const { pool, rowsRead } = openCountingPool(url, { about: ofEvents, plansByIndex: true });
    const plain = createQueryBuilder(pool);
    const counted: Db = Object.assign(plain, { plansByIndex: true as const });
    try {
      for (let turn = 0; turn < turns; turn += 1) await takeAndSettle({ db: counted, boss });
      const deps = { db: counted, boss, log: silentLog };
      // Of Stripe's clock, for which all events are early: none is begun, and each is marked and put off.
      const early = { room: batch, leaseSeconds: 45, sendableUntil: new Date(0) };
      expect((await takeJobs(deps, meter, early)).taken).toEqual([]);
    } finally {
      await counted.destroy();
    }

    expect(rowsRead.length).toBeGreaterThanOrEqual(turns * 2 + 3);
    expect(rowsRead.filter(({ rows }) => rows > rowsPerEventMax * batch)).toEqual([]);
  },
);

// Another worker has shipments of the same customers, so that each batch is compared with what that one has under way.
roadTest.skipIf(
  localOnly("EXPLAIN of a statement that a cluster sends to its nodes does not tell their plans"),
)(
  "of 3,000 events that wait in shipments, a worker reads those that it takes and settles, and those that others have",
  async ({ database: { db, url }, boss }) => {
    await analyzeOtherQueues(db, boss);
    await addBacklog({ db, boss }, { isShipped: true });
    const shipments = (one: Db) => ({
      db: one,
      boss,
      log: silentLog,
      open: createOpenShipments(() => performance.now()),
    });
    await takeShipped(shipments(db), meter, { room: batch / 2, leaseSeconds: 45 });
    const { pool, rowsRead, trips } = openCountingPool(url, {
      about: /meter_events|pgboss\.job/,
      plansByIndex: true,
    });
    const plain = createQueryBuilder(pool);
    const deps = shipments(Object.assign(plain, { plansByIndex: true as const }));
    try {
      for (let turn = 0; turn < turns; turn += 1) {
        const { taken } = await takeShipped(deps, meter, { room: batch, leaseSeconds: 45 });
        expect(taken.length).toBeGreaterThanOrEqual(batch / 2);
        const finished = await Promise.all(taken.map((one) => deliver([one], answered)));
        expect((await settleAttempts(deps, finished.flat())).size).toBe(taken.length);
        await endShipped(
          deps,
          taken.map(({ attempt }) => attempt.meterEventId),
        );
      }
    } finally {
      await deps.db.destroy();
    }

    const judged = (await readsListsAtOnce(db))
      ? rowsRead
      : rowsRead.filter(({ text }) => !ofPgBoss.test(text));
    // Not where a batch has none of the other worker's customers.
    expect(rowsRead.some(({ text }) => text.includes("join metering.meter_events"))).toBe(true);
    expect(rowsRead.length).toBeGreaterThanOrEqual(turns * 3);
    expect(judged.filter(({ rows }) => rows > rowsPerEventMax * batch)).toEqual([]);
    // Fetch, two looks at others, begin, three to settle, and the end of a shipment.
    expect(trips()).toBeLessThanOrEqual(turns * (1 + 2 + 1 + 3 + 1));
  },
);

// As after each full hour, when every organization's sensors have been counted; of some the hour before waits, too.
roadTest.skipIf(
  localOnly("EXPLAIN of a statement that a cluster sends to its nodes does not tell their plans"),
)(
  "of 3,000 gauges that wait, a worker reads those that it takes or supersedes",
  async ({ database: { db, url }, boss }) => {
    await addBacklog({ db, boss }, { of: { meter: "active_sensors", customers: 1_500, eventsOfEach: 2 } });
    const { pool, rowsRead } = openCountingPool(url, { about: ofEvents, plansByIndex: true });
    const plain = createQueryBuilder(pool);
    const deps = { db: Object.assign(plain, { plansByIndex: true as const }), boss, log: silentLog };
    let taken = 0;
    try {
      for (let turn = 0; turn < turns; turn += 1) {
        taken += (await takeJobs(deps, "active_sensors", { room: batch, leaseSeconds: 45 })).taken.length;
      }
    } finally {
      await deps.db.destroy();
    }

    const { rows } = await sql`select from metering.meter_events where state = 'superseded'`.execute(db);
    expect(rows.length).toBeGreaterThan(0);
    expect(taken + rows.length).toBe(turns * batch);
    expect(rowsRead.length).toBeGreaterThanOrEqual(turns + 2);
    expect(rowsRead.filter((one) => one.rows > rowsPerEventMax * batch)).toEqual([]);
  },
);

/** Of pg-boss's statements the test above tells. */
const ofEvents = /(?:update|join) metering\.meter_events/;
const ofPgBoss = /(?:update|delete from) pgboss\.job/i;

type Way = { db: Db; boss: PgBoss };

async function takeAndSettle({
  db,
  boss,
  manyOfEach = false,
}: Way & { manyOfEach?: boolean }): Promise<void> {
  const { taken } = await takeJobs({ db, boss, log: silentLog }, meter, {
    room: batch,
    manyOfEach,
    leaseSeconds: 45,
  });
  expect(taken).toHaveLength(batch);
  const finished = await Promise.all(taken.map((one) => deliver([one], answered)));
  expect((await settleAttempts({ db, boss }, finished.flat())).size).toBe(batch);
}

const answered = {
  transport: {
    eventsPerRequestMax: 1,
    send: () => Promise.resolve({ kind: "success", httpStatus: 200, requestId: "req_1" } as const),
  },
  eventNames: { temperature_readings: meter, active_sensors: "active_sensors" },
  log: silentLog,
  now: () => new Date(),
};

async function addBacklog(
  { db, boss }: Way,
  { isAnalyzedMeanwhile = false, isShipped = false, of = sums } = {},
): Promise<void> {
  await sql`alter table metering.meter_events set (autovacuum_enabled = off)`.execute(db);
  const due = await db.transaction().execute(async (trx) => {
    const added = await addDue(trx, of);
    // On another connection, which sees pages and no row yet.
    if (isAnalyzedMeanwhile) await sql`analyze metering.meter_events`.execute(db);
    return added;
  });
  await remindToDeliver(boss, isShipped ? loadShipments(due.map(toSend), 1) : due);
}

function toSend(reminder: Reminder) {
  return { ...reminder, isBilledElsewhere: false };
}

const sums = { meter, customers, eventsOfEach };

async function addDue(
  db: Db,
  { meter: name, customers: count, eventsOfEach: hours }: typeof sums,
): Promise<Reminder[]> {
  const { rows } = await sql<Reminder>`
    with others as materialized (
      insert into metering.organizations (name) select 'org ' || n from generate_series(1, ${count}::int) n returning id
    ),
    due as (
      insert into metering.meter_events
        (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id)
      select o.id, metering.uuid_v7(clock_timestamp()), ${name}, h.hour, 5, h.hour, 1, 'cus_' || o.id
      from others o, generate_series(1, ${hours}::int) n,
        lateral (select date_trunc('hour', now(), 'UTC') - (${hours}::int + 1 - n) * interval '1 hour' as hour) h
      returning *
    )
    select
      organization_id as "organizationId", id as "meterEventId", meter, stripe_customer_id as "stripeCustomerId",
      (row_number() over (partition by stripe_customer_id order by id) - 1)::int as ahead
    from due
  `.execute(db);
  return rows;
}

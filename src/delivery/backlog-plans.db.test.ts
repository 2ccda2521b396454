import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { createQueryBuilder } from "../database/query-builder.ts";
import { silentLog } from "../log.ts";
import { openCountingPool } from "../testing/plans/counting-pool.ts";
import { analyzeOtherQueues } from "../testing/plans/other-queues.ts";
import { readsListsAtOnce } from "../testing/plans/reads-lists-at-once.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import {
  addBacklog,
  answered,
  batch,
  meter,
  rowsPerEventMax,
  takeAndSettle,
  turns,
} from "../testing/fixtures/backlog-fixture.ts";
import { deliver } from "./deliver.ts";
import { createOpenShipments } from "./open-shipments.ts";
import { settleAttempts } from "./settle.ts";
import { takeJobs } from "./take-jobs.ts";
import { endShipped, takeShipped } from "./take-shipments.ts";

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

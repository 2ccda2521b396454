import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { silentLog } from "../log.ts";
import { loopsTest as test } from "../testing/fixtures/loops-fixture.ts";
import {
  addDueEvent,
  addShipment,
  ago,
  hurryDeliverJobs,
  minuteMs,
  readDeliverJobs,
} from "../testing/rows/meter-events.ts";
import { createOpenShipments } from "./open-shipments.ts";
import { sweepMeterEvents } from "./sweep.ts";
import { takeJobs } from "./take-jobs.ts";
import { takeShipped } from "./take-shipments.ts";

const meter = "temperature_readings";
const options = { room: 200, leaseSeconds: 45 };

/** As of an event that two workers had under way when they died. */
const lostTwice = {
  attempts_started: 2,
  first_attempt_at: ago(5 * minuteMs),
  first_unknown_at: ago(5 * minuteMs),
  last_attempt_at: ago(2 * minuteMs),
};

/** A worker takes all that it finds, as its loop does, and dies. Returns how many attempts it had begun. */
async function takeAndDie({ db, boss }: { db: Db; boss: PgBoss }): Promise<number> {
  const open = createOpenShipments(() => performance.now());
  const deps = { db, boss, log: silentLog, open, lastAttempts: new Set<string>() };
  const shipped = await takeShipped(deps, meter, options);
  const alone = await takeJobs(deps, meter, options);
  await sql`
    update metering.meter_events
    set last_attempt_at = ${ago(minuteMs)}, first_unknown_at = ${ago(5 * minuteMs)}
    where last_attempt_at is not null
  `.execute(db);
  await sql`
    update pgboss.job set state = 'retry', start_after = now() where name ~ '^(deliver|ship)-' and state <> 'completed'
  `.execute(db);
  await sweepMeterEvents({ db, boss }, options);
  return shipped.taken.length + alone.taken.length;
}

test("an event that kills three workers takes no other with it", async ({ boss, database: { db } }) => {
  await addShipment({ db, boss }, 20);

  expect(await takeAndDie({ db, boss })).toBe(20);
  expect(await takeAndDie({ db, boss })).toBe(20);
  expect(await takeAndDie({ db, boss })).toBe(1);

  const { rows } = await sql`
    select state, reason, count(*)::int from metering.meter_events group by state, reason order by state
  `.execute(db);
  expect(rows).toEqual([
    { state: "pending", reason: null, count: 19 },
    { state: "rejected", reason: "crashes_worker", count: 1 },
  ]);
});

test("of events before their last attempt one begins beside all others, the next when it has ended", async ({
  boss,
  database: { db },
}) => {
  const deps = { db, boss, log: silentLog, lastAttempts: new Set<string>() };
  await addDueEvent({ db, boss }, { stripe_customer_id: "cus_new" });
  for (let i = 0; i < 3; i += 1)
    await addDueEvent({ db, boss }, { ...lostTwice, stripe_customer_id: `cus_${i}` });

  const first = await takeJobs(deps, meter, options);

  expect(first.taken.map(({ attempt }) => attempt.attempt).toSorted((a, b) => a - b)).toEqual([1, 3]);
  expect([...deps.lastAttempts]).toEqual(
    first.taken.filter(({ attempt }) => attempt.attempt === 3).map(({ attempt }) => attempt.meterEventId),
  );
  const waiting = (await readDeliverJobs(db)).filter(({ state }) => state !== "active");
  expect(waiting).toMatchObject([{ retryCount: 0 }, { retryCount: 0 }]);
  expect(Math.max(...waiting.map(({ dueInMs }) => dueInMs))).toBeLessThanOrEqual(1_050);
  await hurryDeliverJobs(db);
  expect(await takeJobs(deps, meter, options)).toEqual({ jobs: 2, taken: [] });
  deps.lastAttempts.clear();
  await hurryDeliverJobs(db);
  expect((await takeJobs(deps, meter, options)).taken).toMatchObject([{ attempt: { attempt: 3 } }]);
});

test("a worker delivers many events whose last attempts go alone, one right after the other", async ({
  loops,
  account,
  boss,
  database: { db },
}) => {
  for (let i = 0; i < 20; i += 1) {
    account.simulator.addCustomers(`cus_${i}`);
    await addDueEvent({ db, boss }, { ...lostTwice, stripe_customer_id: `cus_${i}` });
  }

  loops.start(account);
  await loops.untilDelivered();

  expect(account.simulator.bill()).toHaveLength(20);
});

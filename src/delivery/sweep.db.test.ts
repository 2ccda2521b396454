import { sql } from "kysely";
import { expect } from "vitest";
import { silentLog } from "../log.ts";
import {
  addDueEvent,
  addMeterEvent,
  ago,
  minuteMs,
  readDeliverJobs,
  readMeterEvent,
} from "../testing/rows/meter-events.ts";
import { countWaitingForLocks } from "../testing/postgres/locks.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { beginAttempts } from "./begin-attempts.ts";
import { meterEventStates } from "./meter-event-states.ts";
import { sweepMeterEvents } from "./sweep.ts";
import { takeJobs } from "./take-jobs.ts";

const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const lease = { leaseSeconds: 45 };
const nothing = { in_doubt: 0, expired: 0, rejected: 0, superseded: 0, reminded: 0 };

test("an event whose attempts killed three workers in a row is rejected", async ({
  database: { db },
  boss,
}) => {
  const key = await addMeterEvent(db, { sealed_at: new Date() });
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    expect(await sweepMeterEvents({ db, boss }, { leaseSeconds: 0 })).toEqual(nothing);
    expect(await beginAttempts(db, [key], { leaseSeconds: 0 })).toMatchObject([{ attempt }]);
  }

  expect(await sweepMeterEvents({ db, boss }, { leaseSeconds: 0 })).toEqual({ ...nothing, rejected: 1 });

  expect(await readMeterEvent(db, key)).toMatchObject({ state: "rejected", reason: "crashes_worker" });
});

const old = { attempts_started: 3, attempts_finished: 3 };
const parked = [
  {
    what: "23 hours after its first unknown outcome an event is in doubt",
    row: { ...old, first_unknown_at: ago(23 * hourMs) },
    becomes: { state: "in_doubt", reason: "identifier_too_old" },
  },
  {
    what: "34 days old and never possibly counted, an event is expired",
    row: { event_at: ago(34 * dayMs) },
    becomes: { state: "expired", reason: "usage_too_old" },
  },
  {
    what: "34 days old and possibly counted, an event is in doubt",
    row: { ...old, event_at: ago(34 * dayMs), first_unknown_at: ago(hourMs) },
    becomes: { state: "in_doubt", reason: "usage_too_old" },
  },
  {
    what: "an event that killed three workers is rejected, though it is old and in doubt as well",
    row: {
      attempts_started: 3,
      event_at: ago(34 * dayMs),
      first_unknown_at: ago(24 * hourMs),
      last_attempt_at: ago(hourMs),
    },
    becomes: { state: "rejected", reason: "crashes_worker" },
  },
] as const;

test.for(parked)("$what", async ({ row, becomes }, { database: { db }, boss }) => {
  const key = await addMeterEvent(db, row);
  const neighbour = await addMeterEvent(db);

  const swept = await sweepMeterEvents({ db, boss }, lease);

  expect(swept).toEqual({ ...nothing, [becomes.state]: 1, reminded: 1 });
  expect(await readMeterEvent(db, key)).toMatchObject(becomes);
  expect(await readDeliverJobs(db, key)).toEqual([]);
  expect(await readMeterEvent(db, neighbour)).toMatchObject({ state: "pending", reason: null });
});

test("younger events are left as they are", async ({ database: { db }, boss }) => {
  const keys = [
    await addMeterEvent(db, { ...old, first_unknown_at: ago(23 * hourMs - minuteMs) }),
    await addMeterEvent(db, { event_at: ago(34 * dayMs - minuteMs) }),
    await addMeterEvent(db, { attempts_started: 4, attempts_finished: 2, last_attempt_at: ago(hourMs) }),
  ];

  expect(await sweepMeterEvents({ db, boss }, lease)).toEqual({ ...nothing, reminded: 3 });

  for (const key of keys)
    expect(await readMeterEvent(db, key)).toMatchObject({ state: "pending", reason: null });
});

test("an attempt under way is waited for, however old its event", async ({ database: { db }, boss }) => {
  const underWay = { attempts_started: 3, last_attempt_at: new Date(), first_unknown_at: ago(24 * hourMs) };
  const key = await addMeterEvent(db, { ...underWay, event_at: ago(35 * dayMs) });

  await sweepMeterEvents({ db, boss }, lease);

  expect((await readMeterEvent(db, key)).state).toBe("pending");
});

test("an attempt that begins while the sweep looks at its event is waited for", async ({
  database: { db, pool },
  boss,
}) => {
  const key = await addMeterEvent(db, { event_at: ago(34 * dayMs) });
  const beginning = await db.startTransaction().execute();
  await sql`
    update metering.meter_events set attempts_started = 1, last_attempt_at = now()
    where organization_id = ${key.organizationId} and id = ${key.meterEventId}
  `.execute(beginning);

  const sweeping = sweepMeterEvents({ db, boss }, lease);
  await expect.poll(() => countWaitingForLocks(pool)).toBe(1);
  await beginning.commit().execute();

  expect(await sweeping).toMatchObject({ expired: 0, in_doubt: 0, rejected: 0 });
  expect(await readMeterEvent(db, key)).toMatchObject({ state: "pending" });
});

test("events in other states are never touched", async ({ database: { db }, boss }) => {
  const oldest = { event_at: ago(40 * dayMs), first_unknown_at: ago(40 * dayMs), sealed_at: ago(40 * dayMs) };
  const settled = meterEventStates.filter((state) => state !== "pending");
  const keys = await Promise.all(settled.map((state) => addMeterEvent(db, { ...oldest, state })));

  expect(await sweepMeterEvents({ db, boss }, lease)).toEqual(nothing);

  const states = await Promise.all(keys.map(async (key) => (await readMeterEvent(db, key)).state));
  expect(states).toEqual(settled);
  expect(await readDeliverJobs(db)).toEqual([]);
});

test("only events without a reminder get one, and those just sealed have theirs", async ({
  database: { db },
  boss,
}) => {
  const forgotten = await addMeterEvent(db);
  await addMeterEvent(db, { sealed_at: ago(30_000) });
  await addDueEvent({ db, boss }, { stripe_customer_id: "cus_2" });
  await addDueEvent({ db, boss }, { stripe_customer_id: "cus_3" });
  await takeJobs({ db, boss, log: silentLog }, "temperature_readings", { room: 1, ...lease });

  expect(await sweepMeterEvents({ db, boss }, lease)).toEqual({ ...nothing, reminded: 1 });

  expect(await readDeliverJobs(db)).toHaveLength(3);
  expect(await readDeliverJobs(db, forgotten)).toMatchObject([
    { state: "created", group: "cus_1:temperature_readings" },
  ]);
});

test("an event whose job is gone for good is reminded of again", async ({ database: { db }, boss }) => {
  const key = await addDueEvent({ db, boss });
  const [job] = await readDeliverJobs(db);
  await boss.complete("deliver-temperature_readings", job?.id ?? "", null, { includeQueued: true });

  expect(await sweepMeterEvents({ db, boss }, lease)).toEqual({ ...nothing, reminded: 1 });

  expect((await readDeliverJobs(db, key)).map(({ state }) => state).toSorted()).toEqual([
    "completed",
    "created",
  ]);
});

test("reminders go in turns: everybody's first event before anybody's second", async ({
  database: { db },
  boss,
}) => {
  const first = await addMeterEvent(db, { stripe_customer_id: "cus_1" });
  await addMeterEvent(db, { organization_id: first.organizationId });
  await addMeterEvent(db, { organization_id: first.organizationId });
  await addMeterEvent(db, { stripe_customer_id: "cus_2" });

  await sweepMeterEvents({ db, boss }, lease);

  const jobs = await readDeliverJobs(db);
  const turns = jobs.map(({ group, priority }) => `${group?.slice(0, 5)} ${priority}`);
  expect(turns.toSorted()).toEqual(["cus_1 -1", "cus_1 -2", "cus_1 0", "cus_2 0"]);
});

test("a sweep brings back at most 10,000 reminders, so that no backlog is held in memory whole", async ({
  database: { db },
  boss,
}) => {
  const first = await addMeterEvent(db);
  await sql`
    insert into metering.meter_events
      (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, sealed_at)
    select organization_id, metering.uuid_v7(clock_timestamp()), meter, hour, quantity, event_at, entries,
      stripe_customer_id, sealed_at
    from metering.meter_events
    cross join generate_series(1, 10000)
    where id = ${first.meterEventId}
  `.execute(db);

  expect(await sweepMeterEvents({ db, boss }, lease)).toEqual({ ...nothing, reminded: 10_000 });

  expect(await readDeliverJobs(db, first)).toMatchObject([{ state: "created" }]);
});

test("events of a meter that is paused keep no lost reminder of the other from being made again", async ({
  database: { db },
  boss,
}) => {
  await sql`
    with made as (
      insert into metering.organizations (id, name) select gen_random_uuid(), 'Acme' from generate_series(1, 10000)
      returning id
    )
    insert into metering.meter_events
      (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, sealed_at)
    select
      id, metering.uuid_v7(clock_timestamp()), 'active_sensors', date_trunc('hour', now()), 1, now(), 1, 'cus_' || id,
      now() - interval '1 hour'
    from made
  `.execute(db);
  const key = await addMeterEvent(db);

  await sweepMeterEvents({ db, boss }, lease);

  expect(await readDeliverJobs(db, key)).toMatchObject([{ state: "created" }]);
});

test("sweeps that race move and remind of each event once", async ({ database: { db }, boss }) => {
  for (let i = 0; i < 5; i += 1) {
    await addMeterEvent(db, { ...old, first_unknown_at: ago(24 * hourMs) });
    await addMeterEvent(db, { event_at: ago(34 * dayMs) });
    await addMeterEvent(db, { stripe_customer_id: `cus_${i}` });
  }

  const swept = await Promise.all(Array.from({ length: 4 }, () => sweepMeterEvents({ db, boss }, lease)));

  const sum = (read: (one: (typeof swept)[number]) => number) =>
    swept.reduce((total, one) => total + read(one), 0);
  expect(sum((one) => one.in_doubt)).toBe(5);
  expect(sum((one) => one.expired)).toBe(5);
  expect(sum((one) => one.reminded)).toBe(5);
  expect(await readDeliverJobs(db)).toHaveLength(5);
});

import { sql } from "kysely";
import { expect } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { addMeterEvent, ago, minuteMs, readMeterEvent } from "../testing/rows/meter-events.ts";
import { beginAttempts } from "./begin-attempts.ts";
import { meterEventStates } from "./meter-event-states.ts";

const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const lease = { leaseSeconds: 45 };

test("an attempt carries what is sent and is counted as the event's first", async ({ database: { db } }) => {
  const eventAt = ago(20 * minuteMs);
  const key = await addMeterEvent(db, {
    quantity: "999999999999999",
    event_at: eventAt,
    stripe_customer_id: "cus_7",
  });

  const [attempt, ...others] = await beginAttempts(db, [key], lease);

  expect(others).toEqual([]);
  expect(attempt).toMatchObject({
    ...key,
    meter: "temperature_readings",
    quantity: "999999999999999",
    eventAt,
    stripeCustomerId: "cus_7",
    attempt: 1,
  });
  const row = await readMeterEvent(db, key);
  expect(row).toMatchObject({ state: "pending", attempts_started: 1, attempts_finished: 0 });
  expect(row.last_attempt_at).toEqual(row.first_attempt_at);
  expect(row.first_unknown_at).toEqual(row.first_attempt_at);
});

test("the count is committed when the attempt may be made", async ({ database: { db } }) => {
  const key = await addMeterEvent(db);

  await beginAttempts(db, [key], lease);

  const { rows } = await sql`
    select pid from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'
  `.execute(db);
  expect(rows).toEqual([]);
  await db.connection().execute(async (other) => {
    expect(await readMeterEvent(other, key)).toMatchObject({ attempts_started: 1 });
  });
});

test("a later attempt keeps the time of the first, and of the first unknown outcome", async ({
  database: { db },
}) => {
  const firstAt = ago(3 * hourMs);
  const firstUnknownAt = ago(2 * hourMs);
  const key = await addMeterEvent(db, {
    attempts_started: 4,
    attempts_finished: 4,
    first_attempt_at: firstAt,
    last_attempt_at: ago(hourMs),
    first_unknown_at: firstUnknownAt,
  });

  expect(await beginAttempts(db, [key], lease)).toMatchObject([{ attempt: 5, firstUnknownAt }]);

  expect(await readMeterEvent(db, key)).toMatchObject({
    first_attempt_at: firstAt,
    first_unknown_at: firstUnknownAt,
    attempts_started: 5,
  });
});

const finished = { attempts_started: 2, attempts_finished: 2 };
const finals = meterEventStates.filter((state) => state !== "pending");
/** Made when their test begins: each lies on its own side of a limit by a minute at most. */
const unsendable = [
  ...finals.map((state) => ({ what: `an event that is ${state}`, row: () => ({ state }) })),
  {
    what: "an event with an attempt under way",
    row: () => ({ attempts_started: 1, attempts_finished: 0, last_attempt_at: ago(10_000) }),
  },
  {
    what: "an event whose identifier Stripe may have forgotten",
    row: () => ({ ...finished, first_unknown_at: ago(23 * hourMs) }),
  },
  { what: "an event that is 34 days old", row: () => ({ event_at: ago(34 * dayMs) }) },
  {
    what: "an event whose last three attempts killed their workers",
    row: () => ({ attempts_started: 5, attempts_finished: 2, last_attempt_at: ago(hourMs) }),
  },
];

test.for(unsendable)("no attempt is made at $what", async ({ row }, { database: { db } }) => {
  const key = await addMeterEvent(db, row());
  const before = await readMeterEvent(db, key);

  expect(await beginAttempts(db, [key], lease)).toEqual([]);

  expect(await readMeterEvent(db, key)).toEqual(before);
});

const sendable = [
  {
    what: "an event whose attempt's lease is over",
    row: () => ({
      attempts_started: 1,
      attempts_finished: 0,
      last_attempt_at: ago(46_000),
      first_unknown_at: ago(46_000),
    }),
  },
  {
    what: "an event just before Stripe may forget its identifier",
    row: () => ({ ...finished, first_unknown_at: ago(23 * hourMs - minuteMs) }),
  },
  { what: "an event just before it is 34 days old", row: () => ({ event_at: ago(34 * dayMs - minuteMs) }) },
  {
    what: "an event whose last two attempts killed their workers",
    row: () => ({ attempts_started: 4, attempts_finished: 2, last_attempt_at: ago(hourMs) }),
  },
  {
    what: "an old event whose attempts were all refused for certain",
    row: () => ({ ...finished, first_attempt_at: ago(30 * dayMs) }),
  },
];

test.for(sendable)("an attempt is made at $what", async ({ row }, { database: { db } }) => {
  const key = await addMeterEvent(db, row());

  expect(await beginAttempts(db, [key], lease)).toHaveLength(1);
});

test("of workers that begin at once, one makes the attempt", async ({ database: { db } }) => {
  const keys = await Promise.all(Array.from({ length: 5 }, () => addMeterEvent(db)));

  const begun = await Promise.all(Array.from({ length: 8 }, () => beginAttempts(db, keys, lease)));

  expect(begun.flat()).toHaveLength(5);
  for (const key of keys) expect(await readMeterEvent(db, key)).toMatchObject({ attempts_started: 1 });
});

test("an event that may not be sent does not hold up the others", async ({ database: { db } }) => {
  const delivered = await addMeterEvent(db, { state: "delivered" });
  const pending = await addMeterEvent(db);
  const stranger = { ...pending, organizationId: delivered.organizationId };

  const begun = await beginAttempts(db, [delivered, stranger, pending], lease);

  expect(begun).toMatchObject([pending]);
});

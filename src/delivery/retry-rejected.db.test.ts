import { sql } from "kysely";
import { expect } from "vitest";
import { meet } from "../acceptance/model/sealed-events.ts";
import { silentLog } from "../log.ts";
import {
  addDueEvent,
  addMeterEvent,
  ago,
  minuteMs,
  readDeliverJobs,
  readMeterEvent,
} from "../testing/rows/meter-events.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import { resumeDelivery } from "./pauses.ts";
import { meterEventStates } from "./meter-event-states.ts";
import { eventAgeMsMax, identifierSafeMs } from "./limits.ts";
import { rejectReported } from "./reject.ts";
import { resolveMeterEvent } from "./resolve.ts";
import { retriedMax, retryPending, retryRejected } from "./retry-rejected.ts";
import { takeJobs } from "./take-jobs.ts";

const hourMs = 60 * minuteMs;
const rejected = {
  state: "rejected",
  reason: "refused_by_stripe",
  attempts_started: 2,
  attempts_finished: 2,
};

const reportedLater = {
  ...rejected,
  reason: "meter_event_customer_not_found",
  last_attempt_at: ago(minuteMs),
};

test("a rejected event is sent again under its identifier, at its next attempt", async ({
  database: { db },
  boss,
}) => {
  const key = await addMeterEvent(db, rejected);

  expect(await retryRejected({ db, boss }, { id: key.meterEventId })).toBe(1);

  expect(await readMeterEvent(db, key)).toMatchObject({ state: "pending", reason: "retried_by_operator" });
  const room = { room: 10, leaseSeconds: 45 };
  const { taken } = await takeJobs({ db, boss, log: silentLog }, "temperature_readings", room);
  expect(taken).toMatchObject([{ attempt: { ...key, attempt: 3 } }]);
});

test("an event that killed its workers gets three new chances", async ({ database: { db }, boss }) => {
  const crashed = { attempts_started: 3, attempts_finished: 0, last_attempt_at: ago(hourMs) };
  const key = await addMeterEvent(db, { ...rejected, ...crashed, reason: "crashes_worker" });

  await retryRejected({ db, boss }, {});

  expect(await readMeterEvent(db, key)).toMatchObject({
    state: "pending",
    attempts_started: 3,
    attempts_finished: 3,
  });
});

test("an event that Stripe may have counted and forgotten goes in doubt, without a job", async ({
  database: { db },
  boss,
}) => {
  const key = await addMeterEvent(db, { ...rejected, first_unknown_at: ago(23 * hourMs) });

  expect(await retryRejected({ db, boss }, {})).toBe(1);

  expect((await readMeterEvent(db, key)).state).toBe("in_doubt");
  expect(await readDeliverJobs(db)).toEqual([]);
});

test("an event that Stripe still remembers is sent again", async ({ database: { db }, boss }) => {
  const key = await addMeterEvent(db, { ...rejected, first_unknown_at: ago(22 * hourMs) });

  await retryRejected({ db, boss }, {});

  expect((await readMeterEvent(db, key)).state).toBe("pending");
  expect(await readDeliverJobs(db, key)).toMatchObject([{ state: "created" }]);
});

test.for(["crashes_worker", "refused_by_stripe", "customer_deleted"])(
  "a report of Stripe's about an event that is rejected as %s counts: its identifier is not sent again",
  async (reason, { database: { db }, boss }) => {
    const key = await addMeterEvent(db, { ...rejected, reason, last_attempt_at: ago(minuteMs) });
    const report = {
      validationStart: ago(2 * minuteMs),
      validationEnd: ago(minuteMs),
      errorCount: 1,
      errors: [{ identifier: key.meterEventId, code: "meter_event_invalid_value", message: "Too large." }],
    };

    const reported = await db
      .transaction()
      .execute((trx) => rejectReported(trx, report, { meters: ["temperature_readings"] }));

    expect(reported.rejected).toMatchObject([{ ...key, reason: "meter_event_invalid_value" }]);
    await retryRejected({ db, boss }, { id: key.meterEventId });
    expect(await readMeterEvent(db, key)).toMatchObject({
      state: "superseded",
      last_error: "Too large.",
      replaced_by_id: expect.any(String),
    });
  },
);

test("only those that are asked for are retried", async ({ database: { db }, boss }) => {
  const first = await addMeterEvent(db, rejected);
  const gauge = await addMeterEvent(db, { ...rejected, meter: "active_sensors" });
  const third = await addMeterEvent(db, { ...rejected, organization_id: first.organizationId });
  const stateOf = async () =>
    Promise.all([first, gauge, third].map(async (key) => (await readMeterEvent(db, key)).state));

  expect(await retryRejected({ db, boss }, { meter: "active_sensors" })).toBe(1);
  expect(await stateOf()).toEqual(["rejected", "pending", "rejected"]);
  expect(await retryRejected({ db, boss }, { id: third.meterEventId })).toBe(1);
  expect(await stateOf()).toEqual(["rejected", "pending", "pending"]);
  expect(await retryRejected({ db, boss }, { organizationId: gauge.organizationId })).toBe(0);
  expect(await retryRejected({ db, boss }, { organizationId: first.organizationId })).toBe(1);
  expect(await stateOf()).toEqual(["pending", "pending", "pending"]);
});

test("events in other states are not retried", async ({ database: { db }, boss }) => {
  const others = meterEventStates.filter((state) => state !== "rejected");
  const keys = await Promise.all(others.map((state) => addMeterEvent(db, { state })));

  expect(await retryRejected({ db, boss }, {})).toBe(0);

  const states = await Promise.all(keys.map(async (key) => (await readMeterEvent(db, key)).state));
  expect(states).toEqual(others);
  expect(await readDeliverJobs(db)).toEqual([]);
});

test("operators who retry at once retry each event once", async ({ database: { db }, boss }) => {
  for (let i = 0; i < 6; i += 1) await addMeterEvent(db, rejected);

  const counts = await Promise.all(Array.from({ length: 4 }, () => retryRejected({ db, boss }, {})));

  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(6);
  expect(await readDeliverJobs(db)).toHaveLength(6);
});

test("operators who retry at once what Stripe took and reported as failed send its usage again once", async ({
  database: { db },
  boss,
}) => {
  for (let i = 0; i < 6; i += 1) await addMeterEvent(db, reportedLater);
  await meet(db);

  const counts = await Promise.all(Array.from({ length: 4 }, () => retryRejected({ db, boss }, {})));

  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(6);
  const { rows } = await sql<{ state: string; count: number }>`
    select state, count(*)::int as count from metering.meter_events group by state order by state
  `.execute(db);
  expect(rows).toEqual([
    { state: "pending", count: 6 },
    { state: "superseded", count: 6 },
  ]);
  expect(await readDeliverJobs(db)).toHaveLength(6);
});

for (const [ageMs, state] of [
  [identifierSafeMs - minuteMs, "pending"],
  [identifierSafeMs, "in_doubt"],
] as const) {
  test(`an identifier first used ${ageMs / hourMs} h ago is judged as the delivery judges it: ${state}`, async ({
    database: { db },
    boss,
  }) => {
    const key = await addMeterEvent(db, { ...rejected, first_unknown_at: ago(ageMs) });

    await retryRejected({ db, boss }, {});

    expect((await readMeterEvent(db, key)).state).toBe(state);
  });
}

for (const [ageMs, state] of [
  [eventAgeMsMax - minuteMs, "superseded"],
  [eventAgeMsMax, "expired"],
] as const) {
  test(`usage of ${ageMs / hourMs} h ago that was not delivered is judged as the delivery judges it: ${state}`, async ({
    database: { db },
    boss,
  }) => {
    const key = await addMeterEvent(db, { state: "in_doubt", event_at: ago(ageMs) });

    const resolution = { resolution: "not_delivered", reason: "not in Stripe's sums" } as const;
    expect(await resolveMeterEvent({ db, boss }, key.meterEventId, resolution)).toMatchObject({ state });
  });
}

test("one call retries no more than its most", async ({ database }) => {
  const { organizationId } = await addMeterEvent(database.db, rejected);
  await sql`
    insert into metering.meter_events
      (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, state)
    select
      organization_id, metering.uuid_v7(clock_timestamp()), meter, hour, quantity, event_at, entries,
      stripe_customer_id, 'rejected'
    from metering.meter_events, generate_series(1, ${retriedMax})
    where organization_id = ${organizationId}
  `.execute(database.db);

  const retried = await sql`select from metering.retry_rejected(null, null, null)`.execute(
    database.as("api").db,
  );

  expect(retried.rows).toHaveLength(retriedMax);
});

for (const [what, call] of [
  ["another resolution", "resolve_in_doubt(gen_random_uuid(), 'maybe', 'because')"],
  ["no resolution", "resolve_in_doubt(gen_random_uuid(), null, 'because')"],
  ["an empty reason", "resolve_in_doubt(gen_random_uuid(), 'delivered', '')"],
  ["no reason", "resolve_in_doubt(gen_random_uuid(), 'delivered', null)"],
  ["a reason of 501 characters", "resolve_in_doubt(gen_random_uuid(), 'delivered', repeat('x', 501))"],
] as const) {
  test(`the database refuses to resolve an event with ${what}`, async ({ database }) => {
    const asked = database.as("api").pool.query(`select metering.${call}`);

    await expect(asked).rejects.toMatchObject({ code: "22023" });
  });
}

test("an event that was reported as failed, while an earlier attempt's outcome is unknown, goes in doubt", async ({
  database: { db },
  boss,
}) => {
  // Attempt 1 was counted and its worker died; attempt 2 was taken, and reported as failed.
  const key = await addMeterEvent(db, { ...reportedLater, first_unknown_at: ago(10 * minuteMs) });

  expect(await retryRejected({ db, boss }, { id: key.meterEventId })).toBe(1);

  expect(await readMeterEvent(db, key)).toMatchObject({
    state: "in_doubt",
    reason: "earlier_attempt_unknown",
  });
  expect(await readDeliverJobs(db)).toEqual([]);
});

test("an event whose only attempt in doubt is the one that was reported is sent under a new identifier", async ({
  database: { db },
  boss,
}) => {
  const key = await addMeterEvent(db, { ...reportedLater, first_unknown_at: reportedLater.last_attempt_at });

  await retryRejected({ db, boss }, {});

  expect((await readMeterEvent(db, key)).state).toBe("superseded");
  expect(await readDeliverJobs(db)).toHaveLength(1);
});

test("pending events are due now, and reminded of where the reminder is lost", async ({
  database: { db },
  boss,
}) => {
  const putOff = await addDueEvent({ db, boss });
  const other = await addDueEvent({ db, boss }, { stripe_customer_id: "cus_2" });
  const lost = await addMeterEvent(db, { stripe_customer_id: "cus_3" });
  await sql`update pgboss.job set start_after = now() + interval '15 minutes' where name like 'deliver-%'`.execute(
    db,
  );
  const duesOf = async (key: MeterEventKey) =>
    (await readDeliverJobs(db, key)).map(({ dueInMs }) => dueInMs <= 0);

  expect(await retryPending({ db, boss }, { id: putOff.meterEventId })).toBe(1);
  expect(await duesOf(putOff)).toEqual([true]);
  expect(await duesOf(other)).toEqual([false]);

  expect(await retryPending({ db, boss }, {})).toBe(3);
  expect([...(await duesOf(other)), ...(await duesOf(lost))]).toEqual([true, true]);
});

test("with the end of a pause, everything that waits is due", async ({ database: { db }, boss }) => {
  const key = await addDueEvent({ db, boss });
  await sql`update pgboss.job set start_after = now() + interval '15 minutes'`.execute(db);

  await resumeDelivery(db);

  const [job] = await readDeliverJobs(db, key);
  expect(job?.dueInMs).toBeLessThanOrEqual(0);
});

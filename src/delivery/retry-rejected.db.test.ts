import { expect } from "vitest";
import { silentLog } from "../log.ts";
import { addMeterEvent, ago, minuteMs, readDeliverJobs, readMeterEvent } from "../testing/meter-events.ts";
import { roadTest as test } from "../testing/road-test.ts";
import { meterEventStates } from "./meter-event-states.ts";
import { retryRejected } from "./retry-rejected.ts";
import { takeJobs } from "./take-jobs.ts";

const hourMs = 60 * minuteMs;
const rejected = {
  state: "rejected",
  reason: "refused_by_stripe",
  attempts_started: 2,
  attempts_finished: 2,
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

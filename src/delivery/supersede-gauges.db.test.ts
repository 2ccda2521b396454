import { expect } from "vitest";
import { linkCustomer, setOtherBounds } from "../testing/rows/organizations.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { addMeterEvent, ago, minuteMs, readMeterEvent } from "../testing/rows/meter-events.ts";
import { beginAttempts } from "./begin-attempts.ts";
import { supersedeGauges, supersedeGaugesAmong } from "./supersede-gauges.ts";

const hourMs = 60 * minuteMs;
const lease = { leaseSeconds: 45 };
const gauge = { meter: "active_sensors", quantity: 3 };
const older = { ...gauge, event_at: ago(3 * hourMs) };
const newer = { ...gauge, event_at: ago(hourMs) };

test.for(["pending", "delivered"] as const)(
  "a waiting value is superseded by a newer one that is %s",
  async (state, { database: { db } }) => {
    const first = await addMeterEvent(db, older);
    const second = await addMeterEvent(db, { ...newer, organization_id: first.organizationId, state });

    expect(await supersedeGauges(db, lease)).toBe(1);

    expect(await readMeterEvent(db, first)).toMatchObject({ state: "superseded", reason: "newer_value" });
    expect((await readMeterEvent(db, second)).state).toBe(state);
  },
);

test("of many waiting values only the newest is left, also within an hour", async ({ database: { db } }) => {
  const first = await addMeterEvent(db, older);
  const sameHour = { ...gauge, organization_id: first.organizationId };
  await addMeterEvent(db, { ...sameHour, event_at: ago(2 * hourMs) });
  const last = await addMeterEvent(db, { ...sameHour, event_at: new Date() });

  expect(await supersedeGauges(db, lease)).toBe(2);

  expect((await readMeterEvent(db, last)).state).toBe("pending");
  expect(await supersedeGauges(db, lease)).toBe(0);
});

test.for(["in_doubt", "rejected", "expired", "superseded"] as const)(
  "a newer value that is %s supersedes nothing: it may never arrive",
  async (state, { database: { db } }) => {
    const first = await addMeterEvent(db, older);
    await addMeterEvent(db, { ...newer, organization_id: first.organizationId, state });

    expect(await supersedeGauges(db, lease)).toBe(0);
  },
);

test("a sum is never superseded: every part of it counts", async ({ database: { db } }) => {
  const sum = { meter: "temperature_readings" };
  const first = await addMeterEvent(db, { ...older, ...sum });
  await addMeterEvent(db, { ...newer, ...sum, organization_id: first.organizationId });

  expect(await supersedeGauges(db, lease)).toBe(0);
});

test("values of others supersede nothing", async ({ database: { db } }) => {
  const first = await addMeterEvent(db, older);
  await addMeterEvent(db, newer);
  await addMeterEvent(db, { ...newer, organization_id: first.organizationId, stripe_customer_id: "cus_2" });
  await addMeterEvent(db, { ...newer, organization_id: first.organizationId, meter: "temperature_readings" });

  expect(await supersedeGauges(db, lease)).toBe(0);
});

test.for(["the running period began", "the running period ended"] as const)(
  "the last value before %s is still wanted",
  async (boundary, { database: { db } }) => {
    const first = await addMeterEvent(db, older);
    await addMeterEvent(db, { ...newer, organization_id: first.organizationId });
    const between = ago(2 * hourMs);
    await linkCustomer(db, first.organizationId, {
      customer: "cus_1",
      ...(boundary === "the running period began"
        ? { periodStart: between, periodEnd: ago(-hourMs) }
        : { periodStart: ago(24 * hourMs), periodEnd: between }),
    });

    expect(await supersedeGauges(db, lease)).toBe(0);
  },
);

test("the last values of periods that are over are still wanted, too", async ({ database: { db } }) => {
  const first = await addMeterEvent(db, older);
  const second = await addMeterEvent(db, { ...newer, organization_id: first.organizationId });
  for (const hours of [4, 2, 0]) {
    const period = { periodStart: ago(hours * hourMs), periodEnd: ago((hours - 2) * hourMs) };
    await linkCustomer(db, first.organizationId, { customer: "cus_1", ...period });
  }

  expect(await supersedeGauges(db, lease)).toBe(0);
  expect(await beginAttempts(db, [first, second], lease)).toHaveLength(2);
});

test("the last value of a period of another subscription is still wanted", async ({ database: { db } }) => {
  const first = await addMeterEvent(db, older);
  const second = await addMeterEvent(db, { ...newer, organization_id: first.organizationId });
  await setOtherBounds(db, first.organizationId, [ago(9 * hourMs), ago(2 * hourMs)]);

  expect(await supersedeGauges(db, lease)).toBe(0);
  expect(await beginAttempts(db, [first, second], lease)).toHaveLength(2);
});

test.for(["the running period begins", "the running period ends", "another subscription's period ends"])(
  "a value of the moment in which %s is of the next period",
  async (bound, { database: { db } }) => {
    const first = await addMeterEvent(db, older);
    await addMeterEvent(db, { ...newer, organization_id: first.organizationId });
    const of = { customer: "cus_1" };
    if (bound === "the running period begins") {
      const period = { periodStart: newer.event_at, periodEnd: ago(-24 * hourMs) };
      await linkCustomer(db, first.organizationId, { ...of, ...period });
    } else if (bound === "the running period ends") {
      const period = { periodStart: ago(24 * hourMs), periodEnd: newer.event_at };
      await linkCustomer(db, first.organizationId, { ...of, ...period });
    } else {
      await setOtherBounds(db, first.organizationId, [newer.event_at]);
    }

    expect(await supersedeGauges(db, lease)).toBe(0);
  },
);

test("of two values of one moment the one that was sealed last supersedes", async ({ database: { db } }) => {
  const first = await addMeterEvent(db, older);
  const second = await addMeterEvent(db, { ...older, organization_id: first.organizationId });

  expect(await supersedeGauges(db, lease)).toBe(1);

  expect((await readMeterEvent(db, first)).state).toBe("superseded");
  expect((await readMeterEvent(db, second)).state).toBe("pending");
});

test("inside a period a newer value supersedes", async ({ database: { db } }) => {
  const first = await addMeterEvent(db, older);
  await addMeterEvent(db, { ...newer, organization_id: first.organizationId });
  await linkCustomer(db, first.organizationId, {
    customer: "cus_1",
    periodStart: ago(24 * hourMs),
    periodEnd: ago(-24 * hourMs),
  });

  expect(await supersedeGauges(db, lease)).toBe(1);
});

test("a value under way is left until its attempt ends", async ({ database: { db } }) => {
  const first = await addMeterEvent(db, { ...older, attempts_started: 1, last_attempt_at: new Date() });
  await addMeterEvent(db, { ...newer, organization_id: first.organizationId });

  expect(await supersedeGauges(db, lease)).toBe(0);
  await db
    .updateTable("meter_events")
    .set({ attempts_finished: 1 })
    .where("id", "=", first.meterEventId)
    .execute();
  expect(await supersedeGauges(db, lease)).toBe(1);
});

test("a value whose worker died is not waited for longer than its lease", async ({ database: { db } }) => {
  const first = await addMeterEvent(db, { ...older, attempts_started: 1, last_attempt_at: ago(minuteMs) });
  await addMeterEvent(db, { ...newer, organization_id: first.organizationId });

  expect(await supersedeGauges(db, lease)).toBe(1);
});

test("racing calls supersede each value once", async ({ database: { db } }) => {
  const first = await addMeterEvent(db, older);
  for (let i = 1; i < 5; i += 1) {
    await addMeterEvent(db, {
      ...gauge,
      organization_id: first.organizationId,
      event_at: ago((5 - i) * 30 * minuteMs),
    });
  }

  const counts = await Promise.all(Array.from({ length: 4 }, () => supersedeGauges(db, lease)));

  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(4);
});

test("of some values, no other is superseded", async ({ database: { db } }) => {
  const first = await addMeterEvent(db, older);
  const last = await addMeterEvent(db, { ...newer, organization_id: first.organizationId });
  const other = await addMeterEvent(db, { ...older, stripe_customer_id: "cus_2" });
  await addMeterEvent(db, {
    ...newer,
    organization_id: other.organizationId,
    stripe_customer_id: "cus_2",
  });

  expect(await supersedeGaugesAmong(db, [first, last], {})).toEqual(new Set([first.meterEventId]));

  expect(await readMeterEvent(db, first)).toMatchObject({ state: "superseded", reason: "newer_value" });
  expect((await readMeterEvent(db, last)).state).toBe("pending");
  expect((await readMeterEvent(db, other)).state).toBe("pending");
});

test.for([{ last_attempt_at: new Date() }, { last_attempt_at: ago(minuteMs) }])(
  "of some values, one that is under way, or was when its worker died, is left",
  async (attempt, { database: { db } }) => {
    const first = await addMeterEvent(db, { ...older, attempts_started: 1, ...attempt });
    await addMeterEvent(db, { ...newer, organization_id: first.organizationId });

    expect(await supersedeGaugesAmong(db, [first], {})).toEqual(new Set());
    expect((await readMeterEvent(db, first)).state).toBe("pending");
  },
);

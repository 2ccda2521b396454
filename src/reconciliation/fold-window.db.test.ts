import { expect } from "vitest";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { addMeterEvent } from "../testing/rows/meter-events.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { foldWindow } from "./fold-window.ts";

const customer = "cus_acme";
const start = hoursAgo(3);
const end = hoursAgo(1);
const delivered = {
  state: "delivered",
  delivered_at: hoursAgo(1),
  attempts_started: 1,
  attempts_finished: 1,
};
const doubtful = { state: "in_doubt", attempts_started: 1, attempts_finished: 1 };

type Change = Parameters<typeof addMeterEvent>[1];

const test = databaseTest.extend("usage", async ({ database: { db } }) => {
  const organizationId = await addOrganization(db, { customer });
  return {
    add: (quantity: number, change: Change) =>
      addMeterEvent(db, {
        organization_id: organizationId,
        stripe_customer_id: customer,
        event_at: hoursAgo(2, 30),
        quantity,
        ...change,
      }),
    change: (id: string, values: { state?: string; attempts_started?: number; reconcile_since?: Date }) =>
      db.updateTable("meter_events").set(values).where("id", "=", id).execute(),
    fold: (meter: "temperature_readings" | "active_sensors" = "temperature_readings") =>
      foldWindow(db, { organizationId, customer, meter, start, end }),
  };
});

test("usage is certain, doubtful, open or unsent by what its attempts have told", async ({ usage }) => {
  await usage.add(1, delivered);
  await usage.add(2, { state: "superseded", reason: "billed_elsewhere" });
  await usage.add(4, doubtful);
  await usage.add(8, { ...delivered, reconcile_since: hoursAgo(1) });
  await usage.add(16, { attempts_started: 1, attempts_finished: 1 });
  await usage.add(32, {});
  await usage.add(64, { state: "rejected", reason: "refused_by_stripe" });
  await usage.add(128, { state: "superseded", reason: "absent_from_sum" });

  expect(await usage.fold()).toMatchObject({
    certain: "3",
    doubtful: "12",
    open: "16",
    certainEvents: 2,
    doubtfulEvents: 2,
    openEvents: 1,
    unsentEvents: 1,
  });
});

test("usage at a window's start is in it, and usage at its end is not", async ({ usage }) => {
  await usage.add(1, { ...delivered, event_at: new Date(start.getTime() - 1) });
  await usage.add(2, { ...delivered, event_at: start });
  await usage.add(4, { ...delivered, event_at: new Date(end.getTime() - 1) });
  await usage.add(8, { ...delivered, event_at: end });

  expect(await usage.fold()).toMatchObject({ certain: "6", certainEvents: 2 });
});

test("what Stripe had counted already of the event before is certain, once", async ({ usage }) => {
  await usage.add(5, { ...delivered, counted_before: 3 });
  await usage.add(5, { state: "superseded", reason: "partly_in_sum", counted_before: 7 });

  expect(await usage.fold()).toMatchObject({ certain: "8" });
});

test("a gauge is its latest certain value, and older values in doubt say nothing any more", async ({
  usage,
}) => {
  const meter = "active_sensors";
  await usage.add(30, { ...delivered, meter, event_at: hoursAgo(2, 20) });
  await usage.add(10, { ...doubtful, meter, event_at: hoursAgo(2, 10) });
  expect(await usage.fold(meter)).toMatchObject({ certain: "30", doubtful: "0", doubtfulEvents: 0 });

  await usage.add(20, { ...doubtful, meter, event_at: hoursAgo(2, 25) });
  expect(await usage.fold(meter)).toMatchObject({ certain: "30", doubtful: "20", doubtfulEvents: 1 });
});

test("a window is as young as the last of its attempts, deliveries and resolutions", async ({ usage }) => {
  await usage.add(1, { ...delivered, last_attempt_at: hoursAgo(1, 10), delivered_at: hoursAgo(1, 20) });
  expect((await usage.fold()).youngestAt).toEqual(hoursAgo(1, 20));

  await usage.add(1, { ...doubtful, last_attempt_at: hoursAgo(1, 30) });
  expect((await usage.fold()).youngestAt).toEqual(hoursAgo(1, 30));

  await usage.add(1, { ...delivered, delivered_at: hoursAgo(1, 5), resolved_at: hoursAgo(1, 40) });
  expect((await usage.fold()).youngestAt).toEqual(hoursAgo(1, 40));
});

test.for([
  ["is rejected", { state: "rejected" }],
  ["has another attempt", { attempts_started: 2 }],
  // Its usage then is not certain: what Stripe has may be that of the event in doubt.
  ["is covered by a report of failures", { reconcile_since: hoursAgo(1) }],
] as const)("the fingerprint changes when an event %s", async ([, change], { usage }) => {
  const { meterEventId } = await usage.add(5, delivered);
  await usage.add(5, doubtful);
  const before = await usage.fold();
  expect((await usage.fold()).fingerprint).toBe(before.fingerprint);

  await usage.change(meterEventId, change);

  expect((await usage.fold()).fingerprint).not.toBe(before.fingerprint);
});

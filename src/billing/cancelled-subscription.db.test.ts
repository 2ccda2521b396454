import { expect } from "vitest";
import { supersedeGauges } from "../delivery/supersede-gauges.ts";
import { sealDueEntries } from "../outbox/seal.ts";
import { meterNames } from "../usage/meters.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { readMeterEvents } from "../testing/rows/meter-event-rows.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { stripeSideTest as test } from "../testing/fixtures/stripe-side-fixture.ts";
import { adoptSubscription } from "./adopt-subscription.ts";
import { readCustomer } from "./read-customer.ts";

// A final invoice has the usage until then, and no invoice has what follows.
test("an hour of usage is divided where a subscription was cancelled at once", async ({
  database: { db },
  boss,
  account: { simulator, stripe, priceIds },
  stripeSide: { applyDeps },
}) => {
  const { id: customer } = await stripe.customers.create({ name: "Acme" });
  const id = await addOrganization(db, { customer });
  simulator.setClock({ now: hoursAgo(3).toISOString(), frozen: true });
  const items = Object.values(priceIds).map((price) => ({ price }));
  const subscription = await stripe.subscriptions.create({ customer, items });
  simulator.setClock({ now: hoursAgo(1, 20).toISOString() });
  await stripe.subscriptions.cancel(subscription.id);
  const read = await readCustomer(applyDeps, customer);
  await db.transaction().execute(async (trx) => read && adoptSubscription(trx, read));

  await appendEntries(db, id, [
    { at: hoursAgo(1, 10), quantity: 5 },
    { at: hoursAgo(1, 19.999), quantity: 1 },
    { at: hoursAgo(1, 20), quantity: 7 },
    { at: hoursAgo(1, 19), quantity: 30, meter: "active_sensors" },
    { at: hoursAgo(1, 21), quantity: 0, meter: "active_sensors" },
  ]);
  await sealDueEntries({ db, boss }, { meters: meterNames });

  const events = await readMeterEvents(db);
  expect(events.map(({ meter, at, quantity }) => ({ meter, at, quantity }))).toEqual([
    { meter: "active_sensors", at: hoursAgo(1, 19), quantity: 30 },
    { meter: "active_sensors", at: hoursAgo(1, 21), quantity: 0 },
    { meter: "temperature_readings", at: hoursAgo(1, 19.999), quantity: 6 },
    { meter: "temperature_readings", at: hoursAgo(1, 20), quantity: 7 },
  ]);
  expect(await supersedeGauges(db, { leaseSeconds: 45 })).toBe(0);
});

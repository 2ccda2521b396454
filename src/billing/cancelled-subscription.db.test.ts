import { expect } from "vitest";
import { supersedeGauges } from "../delivery/supersede-gauges.ts";
import { sealDueEntries } from "../outbox/seal.ts";
import { meterNames } from "../usage/meters.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { readMeterEvents } from "../testing/rows/meter-event-rows.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { stripeSideTest } from "../testing/fixtures/stripe-side-fixture.ts";
import type { Db } from "../database/db.ts";
import { adoptSubscription } from "./adopt-subscription.ts";
import { applyStripeEvent } from "./apply-event.ts";
import { beginHandling } from "./inbox.ts";
import { readCustomer } from "./read-customer.ts";

/** A customer's subscription that is cancelled at once, with a final invoice, and usage of before and after. */
const test = stripeSideTest.extend(
  "cancelled",
  async ({
    database: { db },
    account: { simulator, stripe, priceIds },
    stripeSide: { applyDeps, eventOf },
  }) => {
    const { id: customer } = await stripe.customers.create({ name: "Acme" });
    const organizationId = await addOrganization(db, { customer });
    simulator.setSettings({ webhook_hold: true, invoice_grace_seconds: 86_400 });
    simulator.setClock({ now: hoursAgo(3).toISOString(), frozen: true });
    const items = Object.values(priceIds).map((price) => ({ price }));
    const { id } = await stripe.subscriptions.create({ customer, items });
    const adopt = async () => {
      const customerRead = await readCustomer(applyDeps, customer);
      if (customerRead === undefined) throw new Error("Stripe does not know the customer");
      await db.transaction().execute((trx) => adoptSubscription(trx, customerRead));
    };
    await adopt();
    simulator.setClock({ now: hoursAgo(1, 20).toISOString() });
    await stripe.subscriptions.cancel(id, { invoice_now: true });
    simulator.setClock({ now: new Date().toISOString(), frozen: false });
    await appendEntries(db, organizationId, [
      { at: hoursAgo(1, 10), quantity: 5 },
      { at: hoursAgo(1, 19.999), quantity: 1 },
      { at: hoursAgo(1, 20), quantity: 7 },
      { at: hoursAgo(1, 19), quantity: 30, meter: "active_sensors" },
      { at: hoursAgo(1, 21), quantity: 0, meter: "active_sensors" },
    ]);
    return {
      customer,
      adopt,
      /** Begins to handle the event that tells of the final invoice. */
      beginInvoiceCreated: async () => {
        const created = eventOf("invoice.created");
        await simulator.release({ event_ids: [created] });
        const begun = await beginHandling(db, created);
        if (begun === undefined) throw new Error("the event did not arrive");
        return begun.event;
      },
    };
  },
);

const divided = [
  { meter: "active_sensors", at: hoursAgo(1, 19), quantity: 30 },
  { meter: "active_sensors", at: hoursAgo(1, 21), quantity: 0 },
  { meter: "temperature_readings", at: hoursAgo(1, 19.999), quantity: 6 },
  { meter: "temperature_readings", at: hoursAgo(1, 20), quantity: 7 },
];

async function readSealed(db: Db) {
  const events = await readMeterEvents(db);
  return events.map(({ meter, at, quantity }) => ({ meter, at, quantity }));
}

// A final invoice has the usage until then, and no invoice has what follows.
test("an hour of usage is divided where a subscription was cancelled at once", async ({
  database: { db },
  boss,
  cancelled,
}) => {
  await cancelled.adopt();

  await sealDueEntries({ db, boss }, { meters: meterNames });

  expect(await readSealed(db)).toEqual(divided);
  expect(await supersedeGauges(db, { leaseSeconds: 45 })).toBe(0);
});

// An event shows an invoice in the API version of the endpoint, or in the account's own.
test("a final invoice of an older API version tells of the cancellation, too", async ({
  database: { db },
  stripeSide,
  cancelled: { customer, beginInvoiceCreated },
}) => {
  const event = await beginInvoiceCreated();
  const object = { id: event.data?.object?.["id"], customer, subscription: "sub_1" };

  await applyStripeEvent(stripeSide.applyDeps, { ...event, data: { object } });

  expect(await readSealed(db)).toEqual(divided);
});

test("where the final invoice itself tells of the cancellation, its usage is sealed for it, and is on it", async ({
  database: { db },
  account: { stripe },
  stripeSide,
  cancelled: { customer, beginInvoiceCreated },
}) => {
  await applyStripeEvent(stripeSide.applyDeps, await beginInvoiceCreated());

  const sealed = await readSealed(db);
  expect(sealed).toEqual(divided);
  for (const { meter, at, quantity } of sealed) {
    await stripe.billing.meterEvents.create({
      event_name: meter,
      payload: { stripe_customer_id: customer, value: String(quantity) },
      timestamp: Math.floor(at.getTime() / 1_000),
    });
  }
  const { data } = await stripe.invoices.list({ customer });
  const final = await stripe.invoices.finalizeInvoice(data[0]?.id ?? "");
  const quantities = final.lines.data.map(({ quantity }) => quantity ?? 0);
  expect(quantities.toSorted((a, b) => a - b)).toEqual([6, 30]);
});

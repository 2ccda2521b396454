import { sql } from "kysely";
import { expect } from "vitest";
import { readUninvoiced } from "../outbox/uninvoiced.ts";
import { stripeSideTest as test } from "../testing/fixtures/stripe-side-fixture.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { adoptSubscription } from "./adopt-subscription.ts";
import { readCustomer } from "./read-customer.ts";

test("usage of a pause is told as on no invoice while it lasts, and after the subscription is resumed", async ({
  database: { db },
  account: { simulator, stripe, priceIds },
  stripeSide: { applyDeps },
}) => {
  const { id: customer } = await stripe.customers.create({ name: "Acme" });
  const acme = await addOrganization(db, { customer });
  await sql`update metering.customer_links set linked_at = ${hoursAgo(60)}`.execute(db);
  const adopt = async () => {
    const read = await readCustomer(applyDeps, customer);
    if (read === undefined) throw new Error("Stripe does not know the customer");
    await db.transaction().execute((trx) => adoptSubscription(trx, read));
  };
  simulator.setClock({ now: hoursAgo(50).toISOString(), frozen: true });
  const { id } = await stripe.subscriptions.create({
    customer,
    items: [{ price: priceIds.temperature_readings }],
  });
  await adopt();
  await appendEntries(db, acme, [
    { at: hoursAgo(45), quantity: 1 },
    { at: hoursAgo(30), quantity: 20 },
    { at: hoursAgo(5), quantity: 300 },
  ]);
  expect(await readUninvoiced(db)).toEqual([]);

  simulator.setClock({ now: hoursAgo(40).toISOString() });
  await stripe.subscriptions.pause(id);
  await adopt();
  expect(await readUninvoiced(db)).toMatchObject([{ reason: "after_subscription", quantity: 320 }]);

  simulator.setClock({ now: hoursAgo(10).toISOString() });
  await stripe.subscriptions.resume(id);
  const told = [{ reason: "before_subscription", quantity: 20 }];
  await adopt();
  expect(await readUninvoiced(db)).toMatchObject(told);
  await adopt();
  expect(await readUninvoiced(db)).toMatchObject(told);
});

import { expect } from "vitest";
import { createBoss } from "../queue/boss.ts";
import { readInbox, readSubscriptionOf } from "../testing/rows/inbox.ts";
import { addDueEvent, readMeterEvent } from "../testing/rows/meter-events.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { stripeSideTest } from "../testing/fixtures/stripe-side-fixture.ts";
import { pauseDelivery } from "../delivery/pauses.ts";
import { storeStripeEvent } from "./inbox.ts";

/** A thief of the API's process writes into the inbox with its role, past the webhook and its signature. */
const test = stripeSideTest.extend("forge", async ({ database }, { onCleanup }) => {
  const { db, url } = database.as("api");
  const boss = createBoss({ databaseUrl: url, role: "api", connectionsMax: 1 }, createRecordingLog().log);
  await boss.start();
  onCleanup(() => boss.stop({ graceful: false }));
  return async (type: string, object: Record<string, unknown>): Promise<void> => {
    const event = { id: "evt_forged", object: "event" as const, type, livemode: false, data: { object } };
    expect(await storeStripeEvent({ db, boss }, event)).toBe(true);
  };
});

const countingNobody = { BILLABLE_STATUSES: [] };

test("a forged word that a living customer was deleted changes nothing", async ({
  database: { db },
  boss,
  account: { stripe },
  stripeSide,
  forge,
}) => {
  await pauseDelivery(db, "the test's");
  await stripeSide.startWorker(countingNobody);
  const { id: customer } = await stripe.customers.create();
  const organizationId = await addOrganization(db, { customer });
  const of = { organization_id: organizationId, stripe_customer_id: customer };
  const key = await addDueEvent({ db, boss }, of);
  const before = [await readMeterEvent(db, key), await readSubscriptionOf(db, organizationId)];

  await forge("customer.deleted", { id: customer, object: "customer", deleted: true });
  await stripeSide.untilHandled();

  await expect.poll(() => stripeSide.effectsOf("evt_forged")).toEqual(["customer_not_deleted"]);
  expect([await readMeterEvent(db, key), await readSubscriptionOf(db, organizationId)]).toEqual(before);
});

test("the same word about a customer whom Stripe has deleted is believed, whoever brings it", async ({
  database: { db },
  boss,
  account: { simulator, stripe },
  stripeSide,
  forge,
}) => {
  // Stripe sends no event of its own about it.
  simulator.setSettings({ webhook_hold: true });
  await pauseDelivery(db, "the test's");
  await stripeSide.startWorker(countingNobody);
  const { id: customer } = await stripe.customers.create();
  const organizationId = await addOrganization(db, { customer });
  const of = { organization_id: organizationId, stripe_customer_id: customer };
  const key = await addDueEvent({ db, boss }, of);
  await stripe.customers.del(customer);

  await forge("customer.deleted", { id: customer, object: "customer", deleted: true });
  await stripeSide.untilHandled();

  expect((await readInbox(db)).map(({ id, state }) => [id, state])).toEqual([["evt_forged", "handled"]]);
  await expect.poll(() => stripeSide.effectsOf("evt_forged")).toEqual(["unlinked"]);
  expect(await readMeterEvent(db, key)).toMatchObject({ state: "rejected", reason: "customer_deleted" });
  expect(await readSubscriptionOf(db, organizationId)).toMatchObject({ customer: null, status: "canceled" });
});

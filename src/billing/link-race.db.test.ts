import { expect } from "vitest";
import type { StripeReads } from "../stripe/reads.ts";
import { readSubscriptionOf } from "../testing/rows/inbox.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { stripeSideTest } from "../testing/fixtures/stripe-side-fixture.ts";
import { type ApplyDeps, applyStripeEvent } from "./apply-event.ts";
import { beginHandling } from "./inbox.ts";
import { putSubscription } from "./put-subscription.ts";

const test = stripeSideTest.extend(
  "link",
  async ({ database: { db }, account: { simulator }, stripeSide }) => {
    simulator.setSettings({ webhook_hold: true });
    const organizationId = await addOrganization(db);
    const { customer, subscription } = await stripeSide.checkOut({ organizationId });
    const checkout = stripeSide.eventOf("checkout.session.completed");
    await simulator.release({ event_ids: [checkout] });

    /** Handles an event as a worker would, from its attempt's count to the commit. */
    async function apply(eventId: string, deps: ApplyDeps = stripeSide.applyDeps): Promise<void> {
      const begun = await beginHandling(db, eventId);
      if (begun === undefined) throw new Error("the event is not pending");
      await applyStripeEvent(deps, begun.event);
    }

    /** Handles the checkout; while the answer of one of its reads is under way, `meanwhile` runs. */
    async function linkWhile(read: "readSubscriptions" | "isCustomerDeleted", happens: () => Promise<void>) {
      const { reads } = stripeSide.applyDeps;
      let isFirst = true;
      const overtaken = async <T>(answer: T): Promise<T> => {
        if (isFirst) {
          isFirst = false;
          await happens();
        }
        return answer;
      };
      const slow: StripeReads = {
        ...reads,
        ...(read === "readSubscriptions"
          ? { readSubscriptions: async (id: string) => overtaken(await reads.readSubscriptions(id)) }
          : { isCustomerDeleted: async (id: string) => overtaken(await reads.isCustomerDeleted(id)) }),
      };
      await apply(checkout, { ...stripeSide.applyDeps, reads: slow });
    }

    /** The latest event of a type arrives and is handled. */
    async function take(type: string): Promise<void> {
      const id = stripeSide.eventOf(type);
      await simulator.release({ event_ids: [id] });
      await apply(id);
    }
    return { organizationId, customer, subscription, linkWhile, take };
  },
);

test("a change that is told before the link is written is not lost", async ({ database, account, link }) => {
  await link.linkWhile("readSubscriptions", async () => {
    account.simulator.setSubscription(link.subscription, { status: "past_due" });
    await link.take("customer.subscription.updated");
  });

  expect(await readSubscriptionOf(database.db, link.organizationId)).toMatchObject({ status: "past_due" });
});

test("a customer who is deleted before the link is written stays unlinked", async ({
  database,
  account,
  link,
}) => {
  await link.linkWhile("isCustomerDeleted", async () => {
    await account.stripe.customers.del(link.customer);
    await link.take("customer.deleted");
  });

  expect(await readSubscriptionOf(database.db, link.organizationId)).toMatchObject({
    customer: null,
    status: "canceled",
  });
});

test("news of the subscription before does not keep the next one from being linked", async ({
  database: { db },
  account: { stripe, priceIds },
  link,
}) => {
  const before = await stripe.subscriptions.create({
    customer: link.customer,
    items: [{ price: priceIds.temperature_readings }],
  });
  await putSubscription(db, link.organizationId, {
    stripeCustomerId: link.customer,
    stripeSubscriptionId: before.id,
    status: "active",
    currentPeriodStart: null,
    currentPeriodEnd: null,
  });
  await link.linkWhile("readSubscriptions", async () => {
    await stripe.subscriptions.cancel(before.id);
    await link.take("customer.subscription.deleted");
  });

  expect(await readSubscriptionOf(db, link.organizationId)).toMatchObject({
    subscription: link.subscription,
    status: "active",
  });
});

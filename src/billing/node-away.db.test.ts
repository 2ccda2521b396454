import { expect, inject } from "vitest";
import { isNodeAway } from "../database/database-unavailable.ts";
import { createStripe } from "../stripe/client.ts";
import { createStripeReads } from "../stripe/reads.ts";
import { closeTest } from "../testing/fixtures/close-fixture.ts";
import { addOnNode, cutOffNode } from "../testing/postgres/cut-off-node.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { linkCustomer } from "../testing/rows/organizations.ts";
import { type ApplyDeps, applyStripeEvent } from "./apply-event.ts";
import { storeStripeEvent } from "./inbox.ts";

const isCluster = inject("testServer").cluster !== undefined;

/** `held`: a customer who pays for an organization on another node than the fixture's customer. */
const test = closeTest.extend("webhooks", async ({ close, account, boss, database }) => {
  const { stripe } = account;
  const organizationId = await addOnNode(database.db, close.organizationId, "other");
  const { id: held } = await stripe.customers.create({ name: "Held" });
  await linkCustomer(database.db, organizationId, { customer: held });
  const items = [{ price: account.priceIds.temperature_readings }];
  await stripe.subscriptions.create({ customer: held, items });
  const client = createStripe({ apiKey: account.secretKey, apiBase: account.url, timeoutMs: 15_000 });
  const reads = createStripeReads(client, account.secretKey);
  const deps: ApplyDeps = { db: close.deps.db, boss, reads, eventNames: close.deps.eventNames };
  let events = 0;
  return {
    held,
    cutOff: () => cutOffNode(database, organizationId),
    tell: async (type: string, object: object) => {
      events += 1;
      const event = {
        id: `evt_${events}`,
        object: "event" as const,
        type,
        livemode: false,
        data: { object: { ...object } },
      };
      await storeStripeEvent({ db: database.db, boss }, event);
      return applyStripeEvent(deps, event);
    },
  };
});

test.runIf(isCluster)(
  "while a node is away, webhooks of customers on other nodes take effect, and those of its own wait",
  async ({ close, webhooks, account: { stripe }, database: { db } }) => {
    const { customer, organizationId } = close;
    const invoice = {
      id: close.endPeriod(),
      customer,
      parent: { subscription_details: { subscription: close.subscriptionId } },
    };
    await appendEntries(db, organizationId, [{ at: new Date(Date.now() - 60_000), quantity: 5 }]);
    const bringBack = await webhooks.cutOff();

    const ofHeld = () => webhooks.tell("customer.subscription.updated", { customer: webhooks.held });
    await expect(ofHeld()).rejects.toSatisfy(isNodeAway);
    const { id: stranger } = await stripe.customers.create({ name: "Of another service" });
    expect(await webhooks.tell("customer.subscription.updated", { customer: stranger })).toMatchObject({
      effect: "not_linked",
    });
    await stripe.customers.del(stranger);
    expect(await webhooks.tell("customer.deleted", { id: stranger })).toMatchObject({
      consequences: [{ events: [] }],
    });
    expect(await webhooks.tell("customer.subscription.updated", { customer })).toMatchObject({
      effect: "synced",
    });
    expect(await webhooks.tell("invoice.created", invoice)).toMatchObject({ effect: "flushed" });
    expect(await close.invoice()).toMatchObject({ id: invoice.id, status: "draft" });
    expect(await webhooks.tell("invoice.updated", invoice)).toMatchObject({ effect: "invoice_noted" });
    await stripe.customers.del(customer);
    expect(await webhooks.tell("customer.deleted", { id: customer })).toMatchObject({
      effect: "unlinked",
      consequences: [
        { kind: "customer_deleted", organizationId },
        { events: [{ organizationId, reason: "customer_deleted" }] },
      ],
    });

    await bringBack();
    expect(await ofHeld()).toMatchObject({ effect: "synced" });
  },
);

import { expect } from "vitest";
import { pauseDelivery, resumeDelivery } from "../delivery/pauses.ts";
import { reconcileQueue } from "../queue/queues.ts";
import { adminToken, serviceTest } from "../testing/fixtures/service-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { patienceMs } from "../testing/processes/patience.ts";

const dayMs = 86_400_000;
const graceSeconds = 900;
const environment = {
  CLOSE_GATE: "hold",
  RECONCILE_SETTLE_SECONDS: "0",
  // The API's webhook secret of all processes of a test.
  STRIPE_WEBHOOK_SECRET: "whsec_of_the_processes",
};

/** A customer whose period ends with usage that is not at Stripe, an API and a worker as processes of their own. */
const test = serviceTest.extend("site", async ({ database, account, boss, launch }) => {
  const { db } = database;
  const { simulator, stripe } = account;
  simulator.setSettings({ invoice_grace_seconds: graceSeconds, webhook_retry_ms: 50 });
  // Before the worker starts: one that runs learns of a pause a moment later.
  await pauseDelivery(db, "the test's");
  const api = launch("api", environment);
  const worker = launch("worker", environment);
  await Promise.all([api.started(), worker.started()]);
  simulator.addWebhookEndpoint({
    url: `${api.url()}/webhooks/stripe`,
    secrets: [environment.STRIPE_WEBHOOK_SECRET],
    payload: "both",
  });
  const start = new Date(Math.floor((Date.now() - 3 * dayMs) / 1_000) * 1_000);
  const end = new Date(Math.floor(Date.now() / 1_000) * 1_000 - 1_000);
  const { id: customer } = await stripe.customers.create({ name: "Acme" });
  const items = Object.values(account.priceIds).map((price) => ({ price }));
  const subscription = await stripe.subscriptions.create({
    customer,
    items,
    backdate_start_date: start.getTime() / 1_000,
  });
  const organizationId = await addOrganization(db, { customer, periodStart: start, periodEnd: end });
  await db.updateTable("customer_links").set({ linked_at: start }).execute();
  await appendEntries(db, organizationId, [{ at: new Date(end.getTime() - dayMs), quantity: 42 }]);
  simulator.setSubscription(subscription.id, {
    current_period_start: start.getTime() / 1_000,
    current_period_end: end.getTime() / 1_000,
  });
  const invoiceId = simulator.cycleSubscription(subscription.id).invoice.id;

  const invoice = () => stripe.invoices.retrieve(invoiceId);
  /** Lets workers look at the period until the invoice is as it should be. */
  const untilInvoice = (what: string, isSo: (one: Awaited<ReturnType<typeof invoice>>) => boolean) =>
    until(
      async () => {
        await boss.send(reconcileQueue.name);
        await db
          .updateTable("billing_periods")
          .set({ next_look_at: new Date() })
          .where("period_start", "=", start)
          .execute();
        return isSo(await invoice());
      },
      { what, withinMs: 90_000, standing: async () => JSON.stringify(await invoice()) },
    );
  const due = Math.floor((await invoice()).created) + graceSeconds;
  return { api, worker, organizationId, start, invoice, untilInvoice, due };
});

/** A site starts its own processes, beside those of other tests. */
const timeout = patienceMs(240_000);

test(
  "a draft with pending usage is held, and finalized with it",
  { timeout },
  async ({ site, database: { db }, account: { simulator } }) => {
    await site.untilInvoice("the hold", (one) => one.automatically_finalizes_at === site.due + 3_600);

    await resumeDelivery(db);
    await site.untilInvoice("the release", ({ automatically_finalizes_at: at }) => (at ?? 0) < site.due);
    simulator.setClock({ advance_seconds: 600 });
    expect(await site.invoice()).toMatchObject({ status: "paid" });

    const path = `/v1/organizations/${site.organizationId}/statements/${site.start.toISOString()}`;
    const ask = async () => {
      const answer = await fetch(site.api.url() + path, {
        headers: { authorization: `Bearer ${adminToken}` },
      });
      return (await answer.json()) as { closed_at: string | null; invoice: unknown; meters: unknown[] };
    };
    await until(async () => (await ask()).closed_at !== null, { what: "the period to be closed" });
    expect(await ask()).toMatchObject({
      invoice: { status: "paid" },
      meters: [{ entries: 1, sent: "42", stripe: "42", invoiced: "42", difference: "0", rows: [] }, {}],
    });
  },
);

test(
  "a worker that is killed while it holds a draft stops it no longer than to the time that it set",
  { timeout },
  async ({ site, account: { simulator } }) => {
    await site.untilInvoice("the hold", (one) => one.automatically_finalizes_at === site.due + 3_600);
    await site.worker.kill();

    simulator.setClock({ advance_seconds: graceSeconds + 3_500 });
    expect(await site.invoice()).toMatchObject({
      status: "draft",
      automatically_finalizes_at: site.due + 3_600,
    });
    simulator.setClock({ advance_seconds: 200 });
    expect(await site.invoice()).toMatchObject({ status: "paid" });
  },
);

import { expect } from "vitest";
import { closeTest } from "../../testing/fixtures/close-fixture.ts";
import { readStatement } from "./statement.ts";

const secondsOf = (at: Date): number => at.getTime() / 1_000;

/** The fixture's period is a trial, in which ten readings were counted at Stripe. Its invoice is final, and bills none of them. */
const test = closeTest.extend("trial", async ({ close, account }) => {
  const { stripe, simulator, priceIds } = account;
  const { customer, start, end } = close;
  await stripe.subscriptions.cancel(close.subscriptionId);
  simulator.setClock({ now: secondsOf(start) });
  const { id: subscriptionId } = await stripe.subscriptions.create({
    customer,
    items: Object.values(priceIds).map((price) => ({ price })),
    trial_end: secondsOf(end),
  });
  simulator.setClock({ now: Math.floor(Date.now() / 1_000) });
  await close.nameSubscription(subscriptionId);
  await close.addOurs(10);
  await close.countTheirs(10);
  const { data: invoices } = await stripe.invoices.list({ customer, status: "draft" });
  const id = invoices[0]?.id ?? "";
  await stripe.invoices.finalizeInvoice(id);
  await close.adopt(id);
  return { subscriptionId };
});

test("usage in a trial, which Stripe bills to none, is not told as not billed", async ({ close, trial }) => {
  await close.look({ settleSeconds: 0 });

  expect(await close.period()).toMatchObject({ closedAt: expect.any(Date), notBilled: null });
  expect(close.told("usage_not_billed")).toEqual([]);
  expect(await close.invoice()).toMatchObject({
    subscriptionId: trial.subscriptionId,
    invoiced: { temperature_readings: "0" },
  });
});

test("its statement names it as used in a trial, and not as late", async ({
  close,
  trial,
  database: { db },
}) => {
  expect(trial.subscriptionId).toMatch(/^sub_/);
  // Delivered after the trial's invoice was final.
  await close.addOurs(3, { delivered_at: new Date(Date.now() + 1_000) });
  await close.countTheirs(3);
  await close.look({ settleSeconds: 0 });
  await close.look({ settleSeconds: 0 });

  const [readings] = (await readStatement(db, await close.period())).meters;
  expect(readings).toMatchObject({
    invoiced: "0",
    difference: "13",
    rows: [{ kind: "trial", quantity: "13", difference: "13" }],
  });
});

test("usage in a trial that never left is not carried into the period that is paid for", async ({
  close,
  trial,
  database: { db },
}) => {
  expect(trial.subscriptionId).toMatch(/^sub_/);
  await close.addOurs(4, {
    state: "pending",
    attempts_started: 0,
    attempts_finished: 0,
    last_attempt_at: null,
    delivered_at: null,
  });
  await close.look({ lateUsage: "carry_forward" });

  const events = await db
    .selectFrom("meter_events")
    .select(["state", "quantity"])
    .orderBy("quantity")
    .execute();
  expect(events.map(({ state, quantity }) => [state, quantity])).toEqual([
    ["pending", "4"],
    ["delivered", "10"],
  ]);
  expect(await close.period()).toMatchObject({ notBilled: null });
});

import { expect, onTestFinished, test } from "vitest";
import { openStripeAccount } from "../testing/stripe/stripe-account.ts";
import { createStripe } from "./client.ts";
import { paceReads } from "./pace-reads.ts";

async function openLimited() {
  const account = await openStripeAccount({ name: "paced" });
  onTestFinished(() => account.stop());
  const customers = Array.from({ length: 40 }, (_, index) => `cus_${index}`);
  account.simulator.addCustomers(...customers);
  account.simulator.setSettings({ rate_limit_reads_per_second: 25 });
  const options = { apiKey: account.secretKey, apiBase: account.url, timeoutMs: 30_000 };
  return { simulator: account.simulator, customers, options };
}

test("reads of one endpoint that are asked for at once are all answered, where they would be too many", async () => {
  const { simulator, customers, options } = await openLimited();
  const paced = createStripe({ ...options, pace: paceReads() });
  const read = await Promise.all(customers.map((id) => paced.customers.retrieve(id)));
  expect(read.map(({ id }) => id)).toEqual(customers);
  expect(simulator.state().rate_limited).toBe(0);

  // They are at once for the limit, however slow this machine is.
  simulator.setClock({ frozen: true });
  const atOnce = createStripe(options);
  await Promise.allSettled([...customers, ...customers].map((id) => atOnce.customers.retrieve(id)));
  expect(simulator.state().rate_limited).toBeGreaterThan(0);
});

test("a read waits for those of the same endpoint, whatever their objects and queries, and for no others", async () => {
  const pace = paceReads();
  await pace("/v1/billing/meters/mtr_1/event_summaries?customer=cus_1");
  const left: string[] = [];
  const leaving = pace("/v1/billing/meters/mtr_2/event_summaries?customer=cus_2").then(() =>
    left.push("sums"),
  );
  // Both leave before any timer can end.
  await pace("/v1/billing/meters/mtr_1");
  await pace("/v1/billing/meters?limit=100");
  expect(left).toEqual([]);
  await leaving;
  expect(left).toEqual(["sums"]);
});

test("what changes something waits for no read", async () => {
  const { options } = await openLimited();
  const never = Promise.withResolvers<void>();
  const stripe = createStripe({ ...options, pace: () => never.promise });
  expect(await stripe.customers.create()).toMatchObject({ object: "customer" });
});

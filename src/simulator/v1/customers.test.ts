import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";

let running: RunningSimulator;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator();
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
});

afterEach(() => running.stop());

test("a customer is created and found again", async () => {
  const created = await stripe.customers.create({ name: "Acme", metadata: { organization_id: "1" } });

  expect(created).toMatchObject({ object: "customer", name: "Acme", metadata: { organization_id: "1" } });
  expect(await stripe.customers.retrieve(created.id)).toEqual(created);
});

test("a deleted customer is still found, marked as deleted, and no longer listed", async () => {
  const { id } = await stripe.customers.create();
  const kept = await stripe.customers.create();
  await stripe.customers.del(id);

  expect(await stripe.customers.retrieve(id)).toMatchObject({ id, deleted: true });
  expect((await stripe.customers.list()).data.map((customer) => customer.id)).toEqual([kept.id]);
});

test("a customer that is not there is a 404", async () => {
  await expect(stripe.customers.retrieve("cus_none")).rejects.toMatchObject({
    statusCode: 404,
    code: "resource_missing",
  });
});

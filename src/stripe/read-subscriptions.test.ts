import { expect, test } from "vitest";
import { json, serve } from "../testing/net/raw-server.ts";
import { createStripe } from "./client.ts";
import { createStripeReads } from "./reads.ts";

const apiKey = "sk_test_subscriptions";
const subscription = {
  object: "subscription",
  id: "sub_1",
  status: "active",
  created: 1,
  start_date: 1,
  ended_at: null,
  items: { object: "list", has_more: false, data: [] },
};

async function readOf(customer: unknown) {
  const page = {
    object: "list",
    has_more: false,
    url: "/v1/subscriptions",
    data: [{ ...subscription, customer }],
  };
  const { url } = await serve(json(200, page));
  return createStripeReads(
    createStripe({ apiKey, apiBase: url, timeoutMs: 5_000 }),
    apiKey,
  ).readSubscriptions("cus_1");
}

test("a customer's subscriptions are taken, whether they name the customer or hold it", async () => {
  expect(await readOf("cus_1")).toMatchObject([{ id: "sub_1", status: "active" }]);
  expect(await readOf({ id: "cus_1", object: "customer" })).toMatchObject([{ id: "sub_1" }]);
});

test.for(["cus_2", { id: "cus_2", object: "customer" }, null, undefined])(
  "subscriptions of %o are an answer of others when those of cus_1 were asked for",
  async (customer) => {
    await expect(readOf(customer)).rejects.toThrow("its subscriptions are another customer's");
  },
);

const further = { ...subscription, customer: "cus_1", items: { ...subscription.items, has_more: true } };
const itemOf = (named: string | undefined) => ({
  object: "subscription_item",
  id: "si_1",
  subscription: named,
  current_period_start: 1,
  current_period_end: 2,
  price: { recurring: { meter: "mtr_1" } },
});

/** Stripe's answers about a subscription with more items than fit into it. */
async function readWithItem(named: string | undefined) {
  const { url } = await serve((response) => {
    const isOfItems = response.req.url?.startsWith("/v1/subscription_items") === true;
    const data = [isOfItems ? itemOf(named) : further];
    json(200, { object: "list", has_more: false, url: "/v1/x", data })(response);
  });
  const stripe = createStripe({ apiKey, apiBase: url, timeoutMs: 5_000 });
  return createStripeReads(stripe, apiKey).readSubscriptions("cus_1");
}

test("further items of another subscription are an answer of others", async () => {
  const items = [{ meterId: "mtr_1" }];
  expect(await readWithItem("sub_1")).toMatchObject([{ items }]);
  expect(await readWithItem(undefined)).toMatchObject([{ items }]);
  await expect(readWithItem("sub_2")).rejects.toThrow("its items are another subscription's");
});

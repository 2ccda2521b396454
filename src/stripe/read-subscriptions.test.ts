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

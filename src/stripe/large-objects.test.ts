import { expect, test } from "vitest";
import { json, type RawAnswer, serve } from "../testing/net/raw-server.ts";
import { createStripe } from "./client.ts";
import { listUndelivered } from "./list-undelivered.ts";
import { createStripeReads } from "./reads.ts";

const apiKey = "sk_test_large";
/** Metadata may have 50 values of 500 characters, and items and lines have some of their own. */
const padding = "x".repeat(40_000);
const count = 120;

/** A list of so many large objects, by Stripe's paging. */
function largeList(object: (id: string) => object): RawAnswer {
  return (response) => {
    const asked = new URL(response.req.url ?? "", "http://stripe").searchParams;
    const limit = Number(asked.get("limit"));
    const after = asked.get("starting_after");
    const from = after === null ? 0 : Number(after.split("_")[1]) + 1;
    const ids = Array.from({ length: Math.min(limit, count - from) }, (_, index) => `x_${from + index}`);
    const data = ids.map((id) => ({ ...object(id), id, metadata: { padding } }));
    json(200, { object: "list", url: "/v1/x", has_more: from + limit < count, data })(response);
  };
}

async function stripeOf(object: (id: string) => object) {
  const { url } = await serve(largeList(object));
  return createStripe({ apiKey, apiBase: url, timeoutMs: 30_000 });
}

test("a customer with many subscriptions, each as large as may be, is read whole", async () => {
  const stripe = await stripeOf(() => ({
    object: "subscription",
    customer: "cus_1",
    status: "canceled",
    created: 1,
    start_date: 1,
    ended_at: 2,
    items: { object: "list", has_more: false, data: [] },
  }));

  expect(await createStripeReads(stripe, apiKey).readSubscriptions("cus_1")).toHaveLength(count);
});

test("an invoice with many lines, each as large as may be, is read whole", async () => {
  const price = { recurring: { meter: "mtr_1" } };
  const stripe = await stripeOf(() => ({
    object: "line_item",
    pricing: { price_details: { price } },
    quantity: 1,
    period: { start: 1, end: 2 },
  }));

  expect(await createStripeReads(stripe, apiKey).invoices.readLines("in_1")).toHaveLength(count);
});

test("of many undelivered events, each with a large object, the newest hundred are told", async () => {
  const stripe = await stripeOf(() => ({ object: "event", type: "invoice.created", created: 1 }));

  const { events, hasMore } = await listUndelivered(stripe, new Date());
  expect([events.length, events[0]?.id, events.at(-1)?.id, hasMore]).toEqual([100, "x_0", "x_99", true]);
});

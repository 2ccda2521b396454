import { expect, test } from "vitest";
import { json, serve } from "../testing/net/raw-server.ts";
import { createStripe } from "./client.ts";
import { findMeters } from "./find-meters.ts";
import { findWebhookEndpoints } from "./find-webhook-endpoints.ts";
import { listEvents } from "./list-events.ts";
import { listThinEvents } from "./list-thin-events.ts";
import { listUndelivered } from "./list-undelivered.ts";
import { createStripeReads } from "./reads.ts";
import type Stripe from "stripe";

const apiKey = "sk_test_pages";
const object = {
  id: "x_1",
  customer: "cus_1",
  url: "https://example.com/webhooks/stripe",
  created: 1,
  enabled_events: ["*"],
  items: { object: "list", has_more: false, data: [] },
  period: { start: 1, end: 2 },
};

async function readAll(list: AsyncIterable<unknown>): Promise<void> {
  for await (const one of list) expect(one).toBeInstanceOf(Object);
}

const reads: [what: string, read: (stripe: Stripe) => Promise<unknown>][] = [
  ["meters", (stripe) => findMeters(stripe, ["readings"])],
  ["remembered meters", (stripe) => createStripeReads(stripe, apiKey).meters.knowing([])],
  ["webhook endpoints", (stripe) => findWebhookEndpoints(stripe, "/webhooks/stripe")],
  ["subscriptions", (stripe) => createStripeReads(stripe, apiKey).readSubscriptions("cus_1")],
  ["an invoice's lines", (stripe) => createStripeReads(stripe, apiKey).invoices.readLines("in_1")],
  ["events", (stripe) => readAll(listEvents(stripe, new Date(0)))],
  ["thin events", (stripe) => readAll(listThinEvents(stripe, new Date(0)))],
  ["undelivered events", (stripe) => listUndelivered(stripe, new Date())],
];

test.for(reads)(
  "a list of %s that gives one page again and again is an answer of others",
  async ([, read]) => {
    const page = { object: "list", data: [object], has_more: true, next_page_url: "/v2/core/events?page=2" };
    const { url, requests } = await serve(json(200, page));

    await expect(read(createStripe({ apiKey, apiBase: url, timeoutMs: 5_000 }))).rejects.toThrow(
      "its list repeats an object",
    );
    expect(requests.length).toBeLessThanOrEqual(3);
  },
);

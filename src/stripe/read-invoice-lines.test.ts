import { expect, test } from "vitest";
import { json, serve } from "../testing/net/raw-server.ts";
import { createStripe } from "./client.ts";
import { createStripeReads } from "./reads.ts";

const apiKey = "sk_test_lines";
const line = {
  object: "line_item",
  id: "il_1",
  pricing: { price_details: { price: { recurring: { meter: "mtr_1" } } } },
  quantity: 1,
  period: { start: 1, end: 2 },
};

async function readOf(invoice: string | null | undefined) {
  const page = { object: "list", has_more: false, url: "/v1/x", data: [{ ...line, invoice }] };
  const { url } = await serve(json(200, page));
  return createStripeReads(
    createStripe({ apiKey, apiBase: url, timeoutMs: 5_000 }),
    apiKey,
  ).invoices.readLines("in_1");
}

test.for(["in_1", null, undefined])("lines that name the invoice %s are those of in_1", async (invoice) => {
  expect(await readOf(invoice)).toMatchObject([{ meterId: "mtr_1", quantity: "1" }]);
});

test("lines of another invoice are an answer of others", async () => {
  await expect(readOf("in_2")).rejects.toThrow("its lines are another invoice's");
});

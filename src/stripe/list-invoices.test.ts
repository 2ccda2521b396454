import { expect, test } from "vitest";
import { json, serve } from "../testing/net/raw-server.ts";
import { createStripe } from "./client.ts";
import { createStripeReads } from "./reads.ts";

const apiKey = "sk_test_invoices";
const invoice = { object: "invoice", id: "in_1", status: "paid", created: 1, period_start: 1, period_end: 2 };

async function listOf(customer: unknown) {
  const page = { object: "list", has_more: false, url: "/v1/invoices", data: [{ ...invoice, customer }] };
  const { url } = await serve(json(200, page));
  const { invoices } = createStripeReads(createStripe({ apiKey, apiBase: url, timeoutMs: 5_000 }), apiKey);
  return invoices.listSince("cus_1", new Date(0), 10);
}

test("a customer's invoices are taken, whether they name the customer or hold it", async () => {
  expect(await listOf("cus_1")).toMatchObject([{ id: "in_1" }]);
  expect(await listOf({ id: "cus_1", object: "customer" })).toMatchObject([{ id: "in_1" }]);
});

test.for(["cus_2", { id: "cus_2", object: "customer" }, null])(
  "invoices of %o are an answer of others when those of cus_1 were asked for",
  async (customer) => {
    await expect(listOf(customer)).rejects.toThrow("its invoices are another customer's");
  },
);

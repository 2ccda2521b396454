import { sql } from "kysely";
import { Stripe } from "stripe";
import { expect } from "vitest";
import type { Db } from "../../database/db.ts";
import { apiTest as test, webhookSecrets } from "../../testing/fixtures/api-fixture.ts";

const [oldSecret = "", newSecret = ""] = webhookSecrets;

function eventOf(id: string, fields: object = {}): string {
  const data = { object: { id: "cus_1" } };
  return JSON.stringify({ object: "event", type: "customer.updated", livemode: false, data, ...fields, id });
}

function sign(payload: string, { secret = newSecret, ageSeconds = 0 } = {}): Record<string, string> {
  const timestamp = Math.floor(Date.now() / 1_000) - ageSeconds;
  return {
    "stripe-signature": Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp }),
  };
}

async function readStored(db: Db): Promise<{ events: number; jobs: number }> {
  const { rows } = await sql<{ events: number; jobs: number }>`
    select
      (select count(*)::int from metering.stripe_events) as events,
      (select count(*)::int from pgboss.job where name = 'apply-stripe-event') as jobs
  `.execute(db);
  return rows[0] ?? { events: -1, jobs: -1 };
}

test.for([
  ["a known type", eventOf("evt_1")],
  ["a type that is not used", eventOf("evt_1", { type: "terminal.reader.action_failed" })],
  [
    "a thin event",
    eventOf("evt_1", { object: "v2.core.event", data: undefined, type: "v1.billing.meter.created" }),
  ],
  ["one with text that Postgres does not take", eventOf("evt_\ud800", { request: { id: "a\0b\udfff" } })],
])("%s is stored with its job and answered 200", async ([, text = ""], { api, database }) => {
  const { status, body } = await api.ask("POST", "/webhooks/stripe", { text, headers: sign(text) });

  expect({ status, body }).toEqual({ status: 200, body: { received: true } });
  expect(await readStored(database.db)).toEqual({ events: 1, jobs: 1 });
});

test("an event delivered twenty times at once is stored once", async ({ api, database }) => {
  const text = eventOf("evt_1");

  const answers = await Promise.all(
    Array.from({ length: 20 }, () => api.ask("POST", "/webhooks/stripe", { text, headers: sign(text) })),
  );

  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
  expect(await readStored(database.db)).toEqual({ events: 1, jobs: 1 });
});

test("the old and the new secret both work while both are configured", async ({ api, database }) => {
  for (const [id, secret] of [
    ["evt_1", oldSecret],
    ["evt_2", newSecret],
  ] as const) {
    const text = eventOf(id);
    const { status } = await api.ask("POST", "/webhooks/stripe", { text, headers: sign(text, { secret }) });
    expect(status).toBe(200);
  }
  expect(await readStored(database.db)).toMatchObject({ events: 2 });
});

const good = eventOf("evt_1");
const nested = good.replace("{", `{"extra":${"[".repeat(2_000)}${"]".repeat(2_000)},`);
const signed = sign(good)["stripe-signature"] ?? "";

test.for<[string, string, Record<string, string>, string]>([
  ["no signature", good, {}, "invalid_signature"],
  ["a foreign signature", good, sign(good, { secret: "whsec_foreign" }), "invalid_signature"],
  ["a signature of another body", good, sign(eventOf("evt_2")), "invalid_signature"],
  ["an old signature", good, sign(good, { ageSeconds: 310 }), "invalid_signature"],
  ["a signature of the future", good, sign(good, { ageSeconds: -3_600 }), "invalid_signature"],
  ["a truncated signature", good, { "stripe-signature": signed.slice(0, -1) }, "invalid_signature"],
  ["a signature without a time", good, { "stripe-signature": signed.slice(13) }, "invalid_signature"],
  ["an empty v1", good, { "stripe-signature": signed.replace(/v1=.*$/, "v1=") }, "invalid_signature"],
  ["nothing in its header", good, { "stripe-signature": "" }, "invalid_signature"],
  ["an empty body", "", sign(""), "invalid_signature"],
  ["signed text that is no JSON", "hello", sign("hello"), "malformed_json"],
  ["signed JSON that is no event", "{}", sign("{}"), "invalid_event"],
  ["an event nested deeper than anything of Stripe's", nested, sign(nested), "invalid_event"],
])("%s is refused with 400 and stored nowhere", async ([, text, headers, code], { api, database }) => {
  const { status, body } = await api.ask("POST", "/webhooks/stripe", { text, headers });

  expect({ status, code: body["code"] }).toEqual({ status: 400, code });
  expect(await readStored(database.db)).toEqual({ events: 0, jobs: 0 });
});

test("a body of 10 MB is refused with 413 and stored nowhere", async ({ api, database }) => {
  const text = eventOf("evt_1", { padding: "x".repeat(10_000_000) });

  const { status } = await api.ask("POST", "/webhooks/stripe", { text, headers: sign(text) });

  expect(status).toBe(413);
  expect(await readStored(database.db)).toEqual({ events: 0, jobs: 0 });
});

test("a signature beside an empty one is seen", async ({ api }) => {
  const headers = { "stripe-signature": signed.replace("v1=", "v1=,v1=") };
  const { status } = await api.ask("POST", "/webhooks/stripe", { text: good, headers });

  expect(status).toBe(200);
});

test("a duplicate is told with its ids, and counted", async ({ api }) => {
  for (let n = 0; n < 3; n += 1) {
    await api.ask("POST", "/webhooks/stripe", { text: good, headers: sign(good) });
  }
  const metrics = await api.askText("GET", "/metrics");

  const told = api.events.filter(({ event }) => event === "stripe_event_duplicate");
  expect(told).toEqual([
    expect.objectContaining({ event_id: "evt_1", event_type: "customer.updated", reason: "already_stored" }),
    expect.objectContaining({ event_id: "evt_1" }),
  ]);
  expect(metrics.text).toContain("meter_outbox_webhook_duplicates_total 2");
});

test.for<[string, Record<string, string>, string]>([
  ["no_signature", {}, good],
  ["malformed", { "stripe-signature": "t=1,v1=" }, good],
  ["empty_body", sign(""), ""],
  ["too_old", sign(good, { ageSeconds: 310 }), good],
  ["in_future", sign(good, { ageSeconds: -3_600 }), good],
  ["other_secret", sign(good, { secret: "whsec_foreign" }), good],
  ["malformed_json", sign("hello"), "hello"],
  ["invalid_event", sign("{}"), "{}"],
])("a refusal is a warning with its reason, %s, and is counted", async ([reason, headers, text], { api }) => {
  await api.ask("POST", "/webhooks/stripe", { text, headers });
  const metrics = await api.askText("GET", "/metrics");

  expect(api.events).toContainEqual(expect.objectContaining({ event: "webhook_refused", reason }));
  expect(metrics.text).toContain(`meter_outbox_webhook_refusals_total{reason="${reason}"} 1`);
});

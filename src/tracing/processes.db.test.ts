import { Stripe } from "stripe";
import { expect } from "vitest";
import { readTotal } from "../testing/rows/bill.ts";
import { type Customer, signUp } from "../testing/rows/customer.ts";
import { readInbox } from "../testing/rows/inbox.ts";
import { type Collector, startCollector } from "../testing/otlp/collector.ts";
import type { CollectedSpan } from "../testing/otlp/spans.ts";
import { adminToken, serviceTest as test } from "../testing/fixtures/service-fixture.ts";
import { until } from "../testing/processes/until.ts";

const webhookSecret = "whsec_of_the_processes";
const collectorKey = "key-of-the-collector";
const callersTrace = "0af7651916cd43dd8448eb211c80319c";

const tracedBy = ({ url }: Pick<Collector, "url">) => ({
  LOG_LEVEL: "debug",
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${collectorKey}`,
});

const printLoaded = `--import ${new URL("../testing/otlp/print-loaded.ts", import.meta.url).href}`;

async function postReadings(apiUrl: string, { key, sensors }: Customer, minute: number): Promise<number> {
  const recordedAt = new Date(Date.now() - minute * 60_000).toISOString();
  const readings = sensors.map((id) => ({ sensor_id: id, recorded_at: recordedAt, temperature: -18 }));
  const { status } = await fetch(`${apiUrl}/v1/readings`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      traceparent: `00-${callersTrace}-b7ad6b7169203331-01`,
    },
    body: JSON.stringify({ readings }),
  });
  return status;
}

/** With the key where none belongs: what is in a URL must not get into spans and logs. */
async function askWithKeyInUrl(apiUrl: string, { key }: Customer): Promise<number> {
  const headers = { authorization: `Bearer ${key}` };
  return (await fetch(`${apiUrl}/v1/readings?secret=${key}`, { headers })).status;
}

async function postWebhook(apiUrl: string, customer: string): Promise<void> {
  const data = { object: { id: "sub_unknown", customer } };
  const type = "customer.subscription.updated";
  const payload = JSON.stringify({ id: "evt_1", object: "event", type, livemode: false, data });
  const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: webhookSecret });
  const headers = { "stripe-signature": signature };
  await fetch(`${apiUrl}/webhooks/stripe`, { method: "POST", headers, body: payload });
}

test("a reading is followed from its request to Stripe, and a webhook event to its effect", async ({
  database: { db },
  account,
  road,
  launch,
}) => {
  const collector = await startCollector();
  const api = launch("api", tracedBy(collector));
  const worker = launch("worker", tracedBy(collector));
  await Promise.all([api.started(), worker.started()]);
  const { id: customer } = await account.stripe.customers.create({ name: "Acme" });
  const acme = await signUp(api.url(), { adminToken, customer });

  expect(await postReadings(api.url(), acme, 1)).toBe(200);
  expect(await askWithKeyInUrl(api.url(), acme)).toBe(400);
  await postWebhook(api.url(), acme.customer);
  await road.untilBilled();
  await until(async () => (await readInbox(db)).every(({ state }) => state === "handled"), {
    what: "the webhook event to be handled",
  });
  expect(await Promise.all([api.stop(), worker.stop()])).toEqual([0, 0]);

  const spans = collector.spans();
  const one = (name: string) => {
    const [found, ...others] = spans.filter((span) => span.name === name);
    if (found === undefined || others.length > 0) throw new Error(`${others.length} more than one ${name}`);
    return found;
  };
  const parentOf = ({ parentSpanId }: CollectedSpan) => spans.find(({ spanId }) => spanId === parentSpanId);

  const request = one("POST /v1/readings");
  const store = one("intake store");
  const sealed = one("seal meter event");
  const attempt = one("deliver");
  const sent = one("POST /v1/billing/meter_events");
  expect([sent, attempt, sealed, store].map((span) => parentOf(span)?.name)).toEqual([
    "deliver",
    "seal meter event",
    "intake store",
    "POST /v1/readings",
  ]);
  expect([...new Set([request, store, sealed, attempt, sent].map(({ traceId }) => traceId))]).toEqual([
    callersTrace,
  ]);
  expect(sealed.links).toEqual([`${callersTrace} ${store.spanId}`]);
  expect(request).toMatchObject({
    service: "meter-outbox-api",
    kind: "server",
    parentSpanId: "b7ad6b7169203331",
    attributes: {
      "http.request.method": "POST",
      "http.route": "/v1/readings",
      "http.response.status_code": 200,
      "meter_outbox.organization_id": acme.id,
    },
  });
  expect(store.attributes).toMatchObject({
    "meter_outbox.requests": 1,
    "meter_outbox.readings": 3,
    "meter_outbox.accepted": 3,
  });
  expect(attempt).toMatchObject({
    service: "meter-outbox-worker",
    kind: "consumer",
    isError: false,
    attributes: {
      "meter_outbox.meter_event_id": sealed.attributes["meter_outbox.meter_event_id"],
      "meter_outbox.organization_id": acme.id,
      "meter_outbox.meter": "temperature_readings",
      "meter_outbox.quantity": 3,
      "meter_outbox.attempt": 1,
      "meter_outbox.verdict": "delivered",
      "http.response.status_code": 200,
    },
  });
  expect(sent).toMatchObject({
    kind: "client",
    attributes: { "server.address": "127.0.0.1", "http.response.status_code": 200 },
  });
  expect(one("seal").attributes).toMatchObject({
    "meter_outbox.meter_events": 1,
    "meter_outbox.entries": 1,
  });

  const handled = one("handle stripe event");
  expect(parentOf(handled)?.name).toBe("POST /webhooks/stripe");
  // The organization's link by hand had its customer read, too.
  const reads = spans.filter((span) => span.name === "GET /v1/subscriptions");
  expect(reads.map(parentOf)).toContain(handled);
  expect(parentOf(one("apply"))).toBe(handled);
  expect(handled.attributes).toMatchObject({
    "stripe.event_id": "evt_1",
    "stripe.event_type": "customer.subscription.updated",
    // The second where the read for the link by hand began later than the event's, and was stored first.
    "meter_outbox.effect": expect.stringMatching(/^(none_of_ours|no_change)$/) as unknown,
  });

  const logs = [...api.output().split("\n"), ...worker.output().split("\n")];
  const namedIn = (text: string) => logs.find((line) => line.includes(text));
  expect(namedIn('"path":"/v1/readings"')).toContain(
    `"trace_id":"${callersTrace}","span_id":"${request.spanId}"`,
  );
  expect(namedIn('"meter_event_delivered"')).toContain(`"span_id":"${attempt.spanId}"`);
  expect(namedIn('"stripe_event_handled"')).toContain(`"span_id":"${handled.spanId}"`);

  const bodies = collector.exports.map(({ body }) => body.toString("latin1")).join("");
  const told = bodies + logs.join("");
  const secrets = [adminToken, account.secretKey, acme.key, webhookSecret, collectorKey];
  expect(secrets.filter((secret) => told.includes(secret))).toEqual([]);
  expect(collector.exports.every(({ headers }) => headers.authorization === `Bearer ${collectorKey}`)).toBe(
    true,
  );
});

test("collectors that never answer, or are not there, hold up neither a request nor a delivery", async ({
  account,
  road,
  launch,
}) => {
  const silent = await startCollector("never");
  const api = launch("api", tracedBy(silent));
  const worker = launch("worker", tracedBy({ url: "http://127.0.0.1:9" }));
  await Promise.all([api.started(), worker.started()]);
  const { id: customer } = await account.stripe.customers.create({ name: "Acme" });
  const acme = await signUp(api.url(), { adminToken, customer });

  const statuses: number[] = [];
  for (let minute = 1; minute <= 50; minute += 1) {
    statuses.push(await postReadings(api.url(), acme, minute));
  }
  await road.untilBilled();
  const exits = await Promise.all([api.stop(), worker.stop()]);

  expect([...new Set(statuses)]).toEqual([200]);
  expect(await readTotal(account, { customer })).toBe(50 * acme.sensors.length);
  expect(exits).toEqual([0, 0]);
  const outputs = [api.output(), worker.output()];
  expect(outputs.map((output) => output.match(/"tracing_failed"/g))).toEqual([
    ['"tracing_failed"'],
    ['"tracing_failed"'],
  ]);
  expect(outputs.join("")).not.toContain(collectorKey);
});

test("without a collector OpenTelemetry is not loaded", async ({ launch }) => {
  const loadedBy = async (service: "api" | "worker", variables: Record<string, string> = {}) => {
    const launched = launch(service, { NODE_OPTIONS: printLoaded, ...variables });
    await launched.started();
    return launched.output().match(/(?<=^LOADED ).*/gm) ?? [];
  };
  const untraced = await Promise.all([loadedBy("api"), loadedBy("worker")]);
  const traced = await loadedBy("api", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" });

  expect(untraced).toEqual([[], []]);
  expect(traced).toEqual([expect.stringMatching(/^open-telemetry-/)]);
});

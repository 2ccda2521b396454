import { Stripe } from "stripe";
import { expect } from "vitest";
import { type Api, apiTest as test, webhookSecrets } from "../testing/fixtures/api-fixture.ts";
import { countWaitingForLocks, holdOpen } from "../testing/postgres/locks.ts";

const stalledBytes = 900_000;

test("an organization that holds all of its share is refused, and keeps out none but itself", async ({
  api,
}) => {
  const [greedy, other] = [await api.join(), await api.join()];
  const share = api.held.shareOf(greedy.id);
  share.begin().keep(share.bytesMax + 1);
  const ask = (token: string) => api.ask("GET", "/v1/sensors", { token });
  const refused = await ask(greedy.key);
  expect([refused.status, refused.body["code"], refused.headers.get("retry-after")]).toEqual([
    503,
    "overloaded",
    "1",
  ]);
  expect((await ask(other.key)).status).toBe(200);
  expect((await api.ask("GET", "/v1/outbox", { token: api.adminToken })).status).toBe(200);
  expect((await api.ask("GET", "/openapi.json")).status).toBe(200);
});

test("an organization whose questions take long has a few connections, and all others are answered meanwhile", async ({
  api,
  database,
}) => {
  const [greedy, other] = [await api.join(), await api.join()];
  const reading = { sensor_id: "a", recorded_at: new Date().toISOString(), temperature: 1 };
  for (const { key } of [greedy, other]) await api.ask("PUT", "/v1/sensors/a", { token: key, json: {} });
  const release = await holdOpen(database.pool, "lock table metering.meter_events in access exclusive mode");
  const path = "/v1/usage?meter=temperature_readings&from=2026-11-01T00:00:00Z&to=2026-11-02T00:00:00Z";
  const asked = Array.from({ length: 30 }, () => api.ask("GET", path, { token: greedy.key }));
  await expect.poll(() => countWaitingForLocks(database.pool)).toBe(2);

  expect(await api.ask("POST", "/v1/readings", { token: other.key, json: reading })).toMatchObject({
    status: 200,
    body: { accepted: 1 },
  });
  expect((await api.ask("GET", "/v1/sensors", { token: other.key })).status).toBe(200);

  await release();
  expect(new Set((await Promise.all(asked)).map(({ status }) => status))).toEqual(new Set([200]));
});

test("readings count in the share of their organization", async ({ api }) => {
  const { id, key } = await api.join();
  const share = api.held.shareOf(id);
  share.begin().keep(share.bytesMax - 10);
  const reading = { sensor_id: "a", recorded_at: new Date().toISOString(), temperature: 1 };
  const refused = await api.ask("POST", "/v1/readings", {
    token: key,
    json: reading,
    headers: { "content-length": String(JSON.stringify(reading).length) },
  });
  expect([refused.status, refused.body["code"]]).toEqual([503, "overloaded"]);
});

test("webhooks that never end fill their own share, and customers and operators are answered", async ({
  api,
}) => {
  const { key } = await api.join();
  const headers = { "stripe-signature": `t=1,v1=${"00".repeat(32)}`, "content-type": "application/json" };
  const refused = Promise.withResolvers<number>();
  for (let body = 0; body < 100; body += 1) {
    const pieces = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.alloc(stalledBytes, " ")),
    });
    void Promise.resolve(
      api.app.request("/webhooks/stripe", { method: "POST", headers, body: pieces, duplex: "half" }),
    ).then(({ status }) => refused.resolve(status));
  }
  expect(await refused.promise).toBe(503);
  expect(api.held.bytes).toBeLessThanOrEqual(api.held.bytesMax / 4);
  const ended = await api.ask("POST", "/webhooks/stripe", { headers, text: "x".repeat(stalledBytes) });
  expect([ended.status, ended.body["code"]]).toEqual([503, "overloaded"]);
  expect((await api.ask("GET", "/v1/sensors", { token: key })).status).toBe(200);
  expect((await api.ask("GET", "/v1/outbox", { token: api.adminToken })).status).toBe(200);
});

test("webhooks whose events cannot be stored have a few connections, and readings are stored meanwhile", async ({
  api,
  database,
}) => {
  const { key } = await api.join();
  const reading = { sensor_id: "a", recorded_at: new Date().toISOString(), temperature: 1 };
  await api.ask("PUT", "/v1/sensors/a", { token: key, json: {} });
  const release = await holdOpen(database.pool, "lock table metering.stripe_events in access exclusive mode");
  const posted = Array.from({ length: 30 }, (_, n) => postEvent(api, `evt_${n}`));
  await expect.poll(() => countWaitingForLocks(database.pool)).toBe(4);

  expect(await api.ask("POST", "/v1/readings", { token: key, json: reading })).toMatchObject({
    status: 200,
    body: { accepted: 1 },
  });
  expect(await countWaitingForLocks(database.pool)).toBe(4);

  await release();
  await Promise.all(posted);
});

test("strangers who do not take the document fill a share of their own", async ({ api }) => {
  const { key } = await api.join();
  const share = api.held.shareOf("strangers");
  share.begin().keep(share.bytesMax + 1);
  expect((await api.ask("GET", "/docs")).status).toBe(503);
  expect((await api.ask("GET", "/v1/sensors", { token: key })).status).toBe(200);
  expect((await api.ask("POST", "/webhooks/stripe", { text: "x" })).status).toBe(400);
  expect((await api.ask("GET", "/healthz")).status).toBe(200);
});

/** As Stripe would; returns the status of the answer. */
async function postEvent(api: Api, id: string): Promise<number> {
  const text = JSON.stringify({ id, object: "event", type: "invoice.paid", livemode: false, data: {} });
  const secret = webhookSecrets[0] ?? "";
  const signature = Stripe.webhooks.generateTestHeaderString({ payload: text, secret });
  const headers = { "stripe-signature": signature };
  return (await api.ask("POST", "/webhooks/stripe", { text, headers })).status;
}

import { randomUUID } from "node:crypto";
import { Stripe } from "stripe";
import { makeApiKey } from "../../../src/http/api-key.ts";
import { ask } from "../site/site.ts";
import type { Subjects } from "./route-questions.ts";
import type { YearOfUsage } from "./year-of-usage.ts";

type Server = { databaseUrl: string; adminToken: string; webhookSecret: string };

const keyBytes = 32;
const hourMs = 3_600_000;
const yearMs = 365 * 24 * hourMs;

/**
 * What the questions of a year are about: the large organization and one that sends every hour, events in every state,
 * failed webhooks, and the year as the time. Routes that use something up, as revoking a key does, get many of it.
 */
export async function findSubjects(
  { databaseUrl: url, adminToken, webhookSecret }: Server,
  { fleet, until }: YearOfUsage,
): Promise<Subjects> {
  const idsOf = async (text: string) => (await ask<{ id: string }>(url, text)).map(({ id }) => id);
  const [large, hourly] = fleet.senders;
  if (large === undefined || hourly === undefined) throw new Error("there are too few organizations");
  const leaving = fleet.senders.slice(-100).map(({ organizationId }) => organizationId);
  const organizations = [large.organizationId, hourly.organizationId];
  const periods = await ask<{ start: Date }>(
    url,
    "select period_start as start from metering.billing_periods where organization_id = $1 order by 1",
    [large.organizationId],
  );
  // Each is replayed, or dismissed, once.
  const failed = await idsOf(
    `update metering.stripe_events set state = 'failed', handled_at = null, error = 'no such organization'
     where event_id in (select event_id from metering.stripe_events order by received_at limit 100)
     returning event_id as id`,
  );
  const event = (state: string) =>
    idsOf(
      `select id from metering.meter_events where state = '${state}' and meter = 'temperature_readings' order by id limit 100`,
    );
  const inDoubt = await event("in_doubt");
  return {
    tokens: { adminToken, apiKey: large.key },
    queries: {
      limit: ["500"],
      from: [new Date(until.getTime() - yearMs).toISOString()],
      to: [until.toISOString()],
      time_zone: ["Europe/Berlin"],
      sensor_id: ["freezer-3"],
      organization_id: organizations,
      external_id: ["nobody"],
      idempotency_key: ["never"],
      words: ["customer", "never said"],
    },
    ids: {
      "/v1/organizations/{id}": organizations,
      "/v1/organizations/{id}/subscription": leaving,
      "/v1/organizations/{id}/statements/{period_start}": periods.map(({ start }) => start.toISOString()),
      "/v1/organizations/{id}/api-keys/{key_id}": await addKeys(url, organizations),
      "/v1/organizations/{id}/reconcile/{request_id}": await addRequests(url, organizations),
      "/v1/sensors/{sensor_id}": ["freezer-3", "freezer-4"],
      "/v1/stripe-events/{id}": failed,
      "/v1/stripe-events/{id}/dismiss": failed.toReversed(),
      "/v1/meter-events/{id}": [...(await event("delivered")), ...(await event("rejected"))],
      "/v1/meter-events/{id}/retry": await event("pending"),
      "/v1/meter-events/{id}/resolve": inDoubt,
    },
    sent: sentBy({ webhookSecret, until }),
  };
}

const json = (body: unknown): RequestInit => ({
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

/** What each route that changes something gets, by its name. */
function sentBy({ webhookSecret, until }: { webhookSecret: string; until: Date }): Subjects["sent"] {
  return {
    postReadings: (turn) =>
      json(
        Array.from({ length: 500 }, (_, n) => ({
          sensor_id: `freezer-${n % 20}`,
          recorded_at: new Date(until.getTime() - hourMs + turn * 1_000 + n).toISOString(),
          temperature: 4,
        })),
      ),
    putSensor: (turn) => json({ name: `Freezer ${turn}` }),
    registerSensors: (turn) =>
      json({ sensors: Array.from({ length: 100 }, (_, n) => ({ id: `new-${turn}-${n}` })) }),
    createOrganization: (turn) => json({ name: `New ${turn}` }),
    updateOrganization: (turn) => json({ name: `Bench ${turn}` }),
    putSubscription: () => json({ stripe_customer_id: `cus_${randomUUID()}`, status: "active" }),
    createApiKey: () => json({ name: "new" }),
    reconcile: () => json({ period: "last" }),
    dismissStripeEvent: () => json({ reason: "no effect is needed" }),
    pauseDelivery: () => json({ reason: "maintenance" }),
    retryMeterEvents: () => json({ state: "rejected" }),
    resolveMeterEvents: () =>
      json({ state: "in_doubt", resolution: "delivered", reason: "seen at Stripe", words: "never said" }),
    resolveMeterEvent: () => json({ resolution: "delivered", reason: "seen at Stripe" }),
    receiveStripeEvent: () => {
      const payload = JSON.stringify({
        object: "event",
        id: `evt_${randomUUID()}`,
        type: "customer.updated",
        livemode: false,
        data: { object: { id: "cus_1" } },
      });
      const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: webhookSecret });
      return {
        headers: { "content-type": "application/json", "stripe-signature": signature },
        body: payload,
      };
    },
  };
}

/** Keys to be revoked, of both organizations in turns. */
async function addKeys(url: string, organizations: readonly string[]): Promise<string[]> {
  const keys = Array.from({ length: 100 }, () =>
    makeApiKey(Buffer.from(randomUUID().repeat(2).slice(0, keyBytes))),
  );
  const added = await ask<{ id: string }>(
    url,
    `insert into metering.api_keys (organization_id, prefix, key_hash, scopes)
     select ($1::uuid[])[1 + (n - 1) % 2], p, h, '{read}' from unnest($2::text[], $3::bytea[]) with ordinality k (p, h, n)
     returning id`,
    [organizations, keys.map(({ prefix }) => prefix), keys.map(({ keyHash }) => keyHash)],
  );
  return added.map(({ id }) => id);
}

/** Comparisons that were answered, one of each organization in their order. */
async function addRequests(url: string, organizations: readonly string[]): Promise<string[]> {
  const added = await ask<{ id: string }>(
    url,
    `insert into metering.reconcile_requests (organization_id, period_from, period_to, done_at, answer)
     select o, now() - interval '1 day', now(), now(), '{"windows": [], "reads": 0}'
     from unnest($1::uuid[]) with ordinality organization (o, place)
     order by place
     returning id`,
    [organizations],
  );
  return added.map(({ id }) => id);
}

import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { encodeCursor } from "../http/cursor.ts";
import { sealDueEntries } from "../outbox/seal.ts";
import { documentSchema, type Operation, operationsOf } from "../testing/openapi/document.ts";
import { linkCustomer } from "../testing/rows/organizations.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import { meterNames } from "../usage/meters.ts";

/**
 * The other organization's things, and things that do not exist: an answer must not show which of the two it is about.
 */
type Ids = {
  organization: string;
  key: string;
  sensor: string;
  meterEvent: string;
  stripeEvent: string;
  recordedAt: string;
};

/** One way of asking a route for another organization's things. */
type Attempt = { what: string; path: string; query?: Record<string, string>; json?: unknown };

const from = "2020-01-01T00:00:00Z";
const reading = ({ sensor, recordedAt }: Ids) => ({
  sensor_id: sensor,
  recorded_at: recordedAt,
  temperature: 99,
});
const usage = {
  meter: "temperature_readings",
  from: "2026-01-01T00:00:00Z",
  to: "2027-01-01T00:00:00Z",
  granularity: "month",
};
const cursorOf = (...key: string[]) => ({ cursor: encodeCursor(key) });
const mine = { sensor_id: "mine", recorded_at: new Date().toISOString(), temperature: 1 };

/** Every route of the document; a new route fails the test until it is added here. */
const attempts: Record<string, (ids: Ids) => Attempt[]> = {
  // Routes of an organization.
  postReadings: (ids) => [
    { what: "another's sensor", path: "/v1/readings", json: reading(ids) },
    { what: "another's sensor among one's own", path: "/v1/readings", json: [mine, reading(ids)] },
    {
      what: "another organization in the query",
      path: "/v1/readings",
      query: { organization_id: ids.organization },
      json: reading(ids),
    },
    {
      what: "another organization in the body",
      path: "/v1/readings",
      json: { ...reading(ids), organization_id: ids.organization },
    },
  ],
  listReadings: (ids) => [
    { what: "everything", path: "/v1/readings" },
    { what: "another's sensor", path: "/v1/readings", query: { sensor_id: ids.sensor } },
    { what: "another organization", path: "/v1/readings", query: { organization_id: ids.organization } },
    { what: "another's cursor", path: "/v1/readings", query: cursorOf(ids.sensor, from) },
  ],
  getUsage: (ids) => [
    { what: "one's own", path: "/v1/usage", query: usage },
    {
      what: "another organization",
      path: "/v1/usage",
      query: { ...usage, organization_id: ids.organization },
    },
  ],
  getOrganizationUsage: (ids) => [
    { what: "another's", path: `/v1/organizations/${ids.organization}/usage`, query: usage },
  ],
  getUsageSummary: () => [{ what: "all", path: "/v1/usage/summary", query: usage }],
  putSensor: (ids) => [
    {
      what: "another organization in the query",
      path: "/v1/sensors/mine",
      query: { organization_id: ids.organization },
      json: { name: "x" },
    },
    {
      what: "another organization in the body",
      path: "/v1/sensors/mine",
      json: { organization_id: ids.organization },
    },
  ],
  getSensor: (ids) => [
    { what: "another's sensor", path: `/v1/sensors/${ids.sensor}` },
    {
      what: "another organization",
      path: `/v1/sensors/${ids.sensor}`,
      query: { organization_id: ids.organization },
    },
  ],
  registerSensors: (ids) => [
    {
      what: "another organization",
      path: "/v1/sensors",
      json: { sensors: [{ id: "mine", organization_id: ids.organization }] },
    },
  ],
  listSensors: (ids) => [
    { what: "everything", path: "/v1/sensors" },
    { what: "another organization", path: "/v1/sensors", query: { organization_id: ids.organization } },
    { what: "another's cursor", path: "/v1/sensors", query: cursorOf(ids.sensor.slice(0, -1)) },
  ],
  // The operator's routes, which no key opens.
  createOrganization: () => [{ what: "a new one", path: "/v1/organizations", json: { name: "x" } }],
  listOrganizations: () => [{ what: "all", path: "/v1/organizations" }],
  listStatements: (ids) => [{ what: "another's", path: `/v1/organizations/${ids.organization}/statements` }],
  getStatement: (ids) => [
    { what: "another's", path: `/v1/organizations/${ids.organization}/statements/${from}` },
  ],
  reconcile: (ids) => [
    { what: "another's", path: `/v1/organizations/${ids.organization}/reconcile`, json: {} },
  ],
  getReconciliation: (ids) => [
    { what: "another's", path: `/v1/organizations/${ids.organization}/reconcile/${ids.organization}` },
  ],
  getOrganization: (ids) => [{ what: "another", path: `/v1/organizations/${ids.organization}` }],
  updateOrganization: (ids) => [
    { what: "another", path: `/v1/organizations/${ids.organization}`, json: { name: "x" } },
  ],
  deleteSubscription: (ids) => [
    { what: "another's", path: `/v1/organizations/${ids.organization}/subscription` },
  ],
  putSubscription: (ids) => [
    {
      what: "another's",
      path: `/v1/organizations/${ids.organization}/subscription`,
      json: { stripe_customer_id: "cus_x", status: "active" },
    },
  ],
  createApiKey: (ids) => [
    { what: "another's", path: `/v1/organizations/${ids.organization}/api-keys`, json: {} },
  ],
  listApiKeys: (ids) => [{ what: "another's", path: `/v1/organizations/${ids.organization}/api-keys` }],
  revokeApiKey: (ids) => [
    { what: "another's", path: `/v1/organizations/${ids.organization}/api-keys/${ids.key}` },
  ],
  listStripeEvents: () => [{ what: "all", path: "/v1/stripe-events" }],
  getStripeEvent: (ids) => [{ what: "another's", path: `/v1/stripe-events/${ids.stripeEvent}` }],
  replayStripeEvent: (ids) => [{ what: "another's", path: `/v1/stripe-events/${ids.stripeEvent}/replay` }],
  dismissStripeEvent: (ids) => [
    { what: "another's", path: `/v1/stripe-events/${ids.stripeEvent}/dismiss`, json: { reason: "x" } },
  ],
  getOutbox: () => [{ what: "all", path: "/v1/outbox" }],
  seal: () => [{ what: "all", path: "/v1/outbox/seal" }],
  pauseDelivery: () => [{ what: "all", path: "/v1/delivery/pause", json: { reason: "x" } }],
  resumeDelivery: () => [{ what: "all", path: "/v1/delivery/resume" }],
  listMeterEvents: (ids) => [
    { what: "all", path: "/v1/meter-events" },
    { what: "another's", path: "/v1/meter-events", query: { organization_id: ids.organization } },
  ],
  getMeterEvent: (ids) => [{ what: "another's", path: `/v1/meter-events/${ids.meterEvent}` }],
  listMeterEventReadings: (ids) => [
    { what: "another's", path: `/v1/meter-events/${ids.meterEvent}/readings` },
  ],
  retryMeterEvent: (ids) => [{ what: "another's", path: `/v1/meter-events/${ids.meterEvent}/retry` }],
  retryMeterEvents: (ids) => [
    {
      what: "another's",
      path: "/v1/meter-events/retry",
      json: { state: "rejected", organization_id: ids.organization },
    },
  ],
  resolveMeterEvent: (ids) => [
    {
      what: "another's",
      path: `/v1/meter-events/${ids.meterEvent}/resolve`,
      json: { resolution: "delivered", reason: "x" },
    },
  ],
  resolveMeterEvents: (ids) => [
    {
      what: "another's",
      path: "/v1/meter-events/resolve",
      json: { state: "in_doubt", resolution: "delivered", reason: "x", organization_id: ids.organization },
    },
  ],
  // Open to all, and about no organization.
  receiveStripeEvent: () => [
    { what: "an unsigned event", path: "/webhooks/stripe", json: { id: "evt_x", object: "event" } },
  ],
  getHealth: () => [{ what: "it", path: "/healthz" }],
  getReadiness: () => [{ what: "it", path: "/readyz" }],
  getMetrics: () => [{ what: "it", path: "/metrics" }],
  getDocument: () => [{ what: "it", path: "/openapi.json" }],
  getHome: () => [{ what: "it", path: "/" }],
  getDocs: () => [{ what: "it", path: "/docs" }],
};

const nobody: Ids = {
  organization: "01a1fd84-aad0-7fd8-87c3-956ea5c0f2ee",
  key: "01a1fd84-aad0-7fd8-87c3-956ea5c0f2ef",
  sensor: "nobodys-sensor-1",
  meterEvent: "01a1fd84-aad0-7fd8-87c3-956ea5c0f2ed",
  stripeEvent: "evt_nobodys",
  recordedAt: new Date(Date.now() - 3_600_000).toISOString(),
};

const test = roadTest.extend("tenants", async ({ api, boss, database: { db } }) => {
  const other = await api.join();
  await api.ask("PUT", "/v1/sensors/others-sensor-1", { token: other.key });
  const ids = {
    ...nobody,
    organization: other.id,
    key: other.keyId,
    sensor: "others-sensor-1",
    stripeEvent: "evt_others",
  };
  await api.ask("POST", "/v1/readings", {
    token: other.key,
    json: { ...reading(ids), temperature: -17.0625 },
  });
  await linkCustomer(db, other.id, { customer: "cus_others" });
  await sealDueEntries({ db, boss }, { meters: meterNames });
  const sealed = await sql<{
    id: string;
  }>`update metering.meter_events set state = 'rejected' returning id`.execute(db);
  await sql`
    insert into metering.stripe_events (event_id, event_type, livemode, payload, state)
    values ('evt_others', 'customer.updated', false, '{"customer": "cus_others"}', 'failed')
  `.execute(db);

  const own = await api.join();
  const [ingest, read, revoked] = [await api.join(["ingest"]), await api.join(["read"]), await api.join()];
  for (const { id } of [ingest, read]) await moveKeys(db, { from: id, to: own.id });
  await api.ask("DELETE", `/v1/organizations/${revoked.id}/api-keys/${revoked.keyId}`, {
    token: api.adminToken,
  });
  await api.ask("PUT", "/v1/sensors/mine", { token: own.key });
  const { body } = await api.ask("GET", "/openapi.json");
  return {
    operations: operationsOf(documentSchema.parse(body)),
    other: { ...ids, meterEvent: sealed.rows[0]?.id ?? "" },
    own,
    keys: { both: own.key, ingest: ingest.key, read: read.key },
    refused: {
      revoked: revoked.key,
      unknown: `mo_${"a".repeat(43)}`,
      none: undefined,
      operator: api.adminToken,
    },
  };
});

test("every route of the document is tried", ({ tenants: { operations } }) => {
  expect(Object.keys(attempts).toSorted()).toEqual(
    operations.map(({ operationId }) => operationId).toSorted(),
  );
});

test("with a key, another organization's things are as if they were not there, on every route", async ({
  tenants: { operations, other, own, keys },
  api,
  database: { db },
}) => {
  const before = await rowsOf(db, other);
  for (const operation of operations) {
    for (const [index, attempt] of attemptsAt(operation, other).entries()) {
      const twin = attemptsAt(operation, nobody)[index] ?? attempt;
      for (const [kind, token] of Object.entries(keys)) {
        const about = `${operation.operationId} of ${attempt.what} with the key for ${kind}`;
        const answer = await ask(api.request, operation, { ...attempt, token });
        const answerToTwin = await ask(api.request, operation, { ...twin, token });
        expect(comparable(answer, other), about).toEqual(comparable(answerToTwin, nobody));
        expect(traces(answer.text, attempt, other), about).toEqual([]);
        expect(operation.token !== "adminToken" || answer.status === 401, about).toBe(true);
      }
    }
  }
  expect(await rowsOf(db, other)).toEqual(before);
  expect(await organizationsOf(db, "readings")).toEqual([other.organization, own.id].toSorted());
});

test("a key that is revoked or unknown, none, and the operator's token are refused on every route that needs a key", async ({
  tenants: { operations, other, refused },
  api,
  database: { db },
}) => {
  const before = await rowsOf(db, other);
  for (const operation of operations.filter(({ token }) => token === "apiKey")) {
    for (const attempt of attemptsAt(operation, other)) {
      for (const [kind, token] of Object.entries(refused)) {
        const { status, code, text } = await ask(api.request, operation, { ...attempt, token });
        const about = `${operation.operationId} of ${attempt.what} with ${kind}`;
        expect({ status, code }, about).toEqual({ status: 401, code: "unauthorized" });
        expect(traces(text, attempt, other), about).toEqual([]);
      }
    }
  }
  expect(await rowsOf(db, other)).toEqual(before);
});

function attemptsAt({ operationId }: Operation, ids: Ids): Attempt[] {
  return attempts[operationId]?.(ids) ?? [];
}

type Told = { status: number; code: string; text: string };

async function ask(
  request: (path: string, init: RequestInit) => Promise<Response>,
  { method }: Operation,
  { path, query = {}, json, token }: Attempt & { token: string | undefined },
): Promise<Told> {
  const search = new URLSearchParams(query).toString();
  const answer = await request(search === "" ? path : `${path}?${search}`, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(json !== undefined && { "content-type": "application/json" }),
    },
    ...(json !== undefined && { body: JSON.stringify(json) }),
  });
  const text = await answer.text();
  const code = /"code":"(\w+)"/.exec(text)?.[1] ?? "";
  return { status: answer.status, code, text };
}

/** The answer without the parts that differ from request to request, and without the id of the question. */
function comparable({ status, text }: Told, ids: Ids): { status: number; text: string } {
  if (text.startsWith("#")) return { status, text: "metrics" };
  const asked = Object.values(ids).reduce((told, id) => told.replaceAll(id, "ID"), text);
  return {
    status,
    text: asked
      .replaceAll(/"(request_id|complete_through)":"[^"]+"/g, '"$1":""')
      .replaceAll(/"(accepted|duplicates)":\d|,?\{"index":0,"status":"duplicate"[^}]*\},?/g, ""),
  };
}

/** The other organization's texts in an answer; the question's own id may come back. */
function traces(text: string, { path, query, json }: Attempt, ids: Ids): string[] {
  const sent = JSON.stringify({ path, query, json });
  const secrets = [...Object.values(ids), "cus_others", "-17.0625"];
  return secrets.filter((secret) => text.includes(secret) && !sent.includes(secret));
}

/** All that the service holds of an organization, and the inbox and the pauses, which belong to no organization. */
async function rowsOf(db: Db, { organization }: Ids): Promise<string[]> {
  const owned = [
    "api_keys",
    "subscriptions",
    "sensors",
    "readings",
    "meter_outbox",
    "sensor_changes",
    "sensor_counts",
    "meter_events",
    "delivery_attempts",
  ];
  const rows = owned.map(
    (table) => sql`
      select ${table} || ' ' || (to_jsonb(t) - 'last_used_at')::text as row
      from ${sql.table(`metering.${table}`)} t where organization_id = ${organization}
    `,
  );
  const common = ["stripe_events", "delivery_control"].map(
    (table) =>
      sql`select ${table} || ' ' || to_jsonb(t)::text as row from ${sql.table(`metering.${table}`)} t`,
  );
  const organizations = sql`select to_jsonb(o)::text as row from metering.organizations o where id = ${organization}`;
  const all = await sql<{ row: string }>`
    ${sql.join([...rows, ...common, organizations], sql` union all `)} order by 1
  `.execute(db);
  return all.rows.map(({ row }) => row);
}

async function organizationsOf(db: Db, table: string): Promise<string[]> {
  const found = await sql<{ id: string }>`
    select distinct organization_id as id from ${sql.table(`metering.${table}`)} order by 1
  `.execute(db);
  return found.rows.map(({ id }) => id);
}

/** Keys of all scopes for one organization. */
async function moveKeys(db: Db, organizations: { from: string; to: string }): Promise<void> {
  await sql`
    update metering.api_keys set organization_id = ${organizations.to} where organization_id = ${organizations.from}
  `.execute(db);
}

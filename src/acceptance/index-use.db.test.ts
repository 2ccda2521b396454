import { sql } from "kysely";
import type { Pool } from "pg";
import type { PgBoss } from "pg-boss";
import { Stripe } from "stripe";
import { expect } from "vitest";
import { listActions } from "../actions/list-actions.ts";
import { adoptSubscription } from "../billing/adopt-subscription.ts";
import { adoptInvoice } from "../billing/adopt-invoice.ts";
import { findOrganizationsOf, unlinkCustomer } from "../billing/subscriptions.ts";
import { purgeStripeEvents } from "../billing/inbox.ts";
import { dropDuePartitions } from "../database/retention.ts";
import type { Db } from "../database/db.ts";
import { hurryOrganization } from "../delivery/hurry.ts";
import { retryRejected } from "../delivery/retry-rejected.ts";
import { rejectOfCustomer, rejectReported } from "../delivery/reject.ts";
import { countChangedSensors, countSensors } from "../intake/count-sensors.ts";
import { noteConditions } from "../monitoring/alerts/note-conditions.ts";
import { tellAlerts } from "../monitoring/alerts/tell-alerts.ts";
import { forgetOldProcesses, startHeartbeat } from "../monitoring/heartbeat.ts";
import { figureSpans, readFigureProgress, readFigures } from "../monitoring/figures/read-figures.ts";
import { writeFigures } from "../monitoring/figures/write-figures.ts";
import { databaseReads } from "../monitoring/metrics/reads.ts";
import { readSealedEvents } from "../outbox/sealed-events.ts";
import { countBooks, listBooks } from "../reconciliation/close/list-books.ts";
import { listStatementRows } from "../reconciliation/close/statement-rows.ts";
import { listDoubt } from "../reconciliation/doubt/list-doubt.ts";
import { reconcile } from "../reconciliation/reconcile-job.ts";
import { askForComparison, readRequest } from "../reconciliation/requests.ts";
import { createStripe } from "../stripe/client.ts";
import { createStripeReads } from "../stripe/reads.ts";
import type { StripeAccount } from "../testing/stripe/stripe-account.ts";
import { sweep } from "../worker/sweep.ts";
import { warnOfExpiry } from "../worker/warn-of-expiry.ts";
import { warnOfInvoices } from "../worker/warn-of-invoices.ts";
import { silentLog } from "../log.ts";
import { type Api, webhookSecrets } from "../testing/fixtures/api-fixture.ts";
import { monthsAgo, openOldMonths, sealAndDeliverOld, takeInOld } from "../testing/rows/old-usage.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { meterNames } from "../usage/meters.ts";
import { billableByDefault } from "../usage/subscription-statuses.ts";

/** Indexes that no query reads, and what each is for. */
const guards: Record<string, string> = {
  alert_watch_pkey: "its one row stays the only one",
  figure_progress_pkey: "its one row stays the only one",
  kysely_migration_lock_pkey: "Kysely's own",
  kysely_migration_pkey: "Kysely's own",
  meter_event_total_pkey: "its one row stays the only one",
  refused_entries_pkey: "a cluster can move its shards",
  usage_progress_pkey: "its one row stays the only one",
};

test.skipIf(localOnly("the statistics of indexes are those of one server"))(
  "every index serves a query, or guards what its name says",
  async ({ database, api, boss, account, road }) => {
    const { db } = database;
    // Tables of a test are so small that reading them whole would be cheaper.
    await sql`
    do $$ begin execute format('alter database %I set enable_seqscan = off', current_database()); end $$
  `.execute(db);
    await openOldMonths(db, 13);
    const { id: customer } = await account.stripe.customers.create({ name: "Acme" });
    const acme = await openAccount(api, customer);
    const readings = [
      { at: monthsAgo(12), readings: 3 },
      // So many that a block range index is worth more than reading all of the organization's.
      { at: monthsAgo(1), readings: 20_000 },
    ];
    await takeInOld(db, readings, acme.id);
    await sql`vacuum analyze metering.readings`.execute(db);
    await sealAndDeliverOld({ db, boss });

    await sendReadings(api, acme.key);
    await recordUsage(db, acme.id);
    await countSensors(db, { billableStatuses: ["active"] });
    await db.connection().execute(async (one) => {
      // What the database is told above holds for new connections.
      await sql`set enable_seqscan = off`.execute(one);
      await countChangedSensors(one, { billableStatuses: ["active"], quietSeconds: 0 });
    });
    const worker = await road.startWorker();
    await road.untilBilled();
    await postWebhook(api);
    await worker.stop(5_000);

    const periodStart = await endPeriod(db, acme);
    await askEverything(api, acme);
    await keepUp({ db, boss });
    await compareSums({ db, boss }, acme, account);
    await readBooks({ db, api }, acme, periodStart);
    await endBilling({ db, boss }, acme);
    const days = { readings: 200, meter_outbox: 200, delivery_attempts: 200 };
    await dropDuePartitions(db, { now: new Date(), days });

    const pools = [database.pool, database.as("api").pool, database.as("worker").pool];
    const readUnused = async () => {
      await flushStatistics(pools);
      return findUnusedIndexes(db);
    };
    // The statistics of a closed session come a moment later.
    await expect.poll(readUnused).toEqual(Object.keys(guards).toSorted());
  },
);

type Databases = { db: Db; boss: PgBoss };
type Account = { id: string; key: string; customer: string };

async function openAccount(api: Api, customer: string): Promise<Account> {
  const { id, key } = await api.join();
  const subscription = { stripe_customer_id: customer, stripe_subscription_id: "sub_1", status: "active" };
  const token = api.adminToken;
  await api.ask("PUT", `/v1/organizations/${id}/subscription`, { token, json: subscription });
  await api.ask("POST", "/v1/sensors", { token: key, json: { sensors: [{ id: "a" }, { id: "b" }] } });
  await api.ask("PUT", "/v1/sensors/a", { token: key, json: { name: "A" } });
  return { id, key, customer };
}

async function sendReadings(api: Api, key: string): Promise<void> {
  const reading = { sensor_id: "a", recorded_at: new Date().toISOString(), temperature: 4 };
  for (const readings of [[reading], [reading, { ...reading, sensor_id: "b" }]]) {
    const { status } = await api.ask("POST", "/v1/readings", { token: key, json: { readings } });
    expect(status).toBe(200);
  }
}

async function recordUsage(db: Db, organizationId: string): Promise<void> {
  for (const key of ["once", "once"]) {
    await sql`select metering.record_usage(${organizationId}, 'temperature_readings', 7, now(), ${key})`.execute(
      db,
    );
  }
}

async function postWebhook(api: Api): Promise<void> {
  const text = JSON.stringify({
    object: "event",
    id: "evt_1",
    type: "customer.updated",
    livemode: false,
    data: { object: { id: "cus_1" } },
  });
  const secret = webhookSecrets[0] ?? "";
  const signature = Stripe.webhooks.generateTestHeaderString({ payload: text, secret });
  await api.ask("POST", "/webhooks/stripe", { text, headers: { "stripe-signature": signature } });
}

/** Every route that reads, with every filter, and the operator's calls. */
async function askEverything(api: Api, { id, key }: Account): Promise<void> {
  const from = encodeURIComponent(monthsAgo(13).toISOString());
  const to = encodeURIComponent(new Date().toISOString());
  const ofKey = [
    "sensors",
    "sensors/a",
    "sensors?active=true&limit=1",
    "readings",
    `readings?sensor_id=a&from=${from}&to=${to}`,
    `usage?meter=temperature_readings&granularity=month&from=${from}&to=${to}`,
    `usage?meter=active_sensors&granularity=month&from=${from}&to=${to}`,
  ];
  const { body } = await api.ask("GET", "/v1/meter-events", { token: api.adminToken });
  const [event] = body["data"] as { id: string }[];
  const ofOperator = [
    "organizations",
    `organizations/${id}`,
    `organizations/${id}/api-keys`,
    "organizations?external_id=acme",
    `organizations/${id}/usage?meter=temperature_readings&granularity=month&from=${from}&to=${to}`,
    `usage/summary?meter=temperature_readings&from=${from}&to=${to}`,
    `usage/summary?meter=active_sensors&from=${from}&to=${to}`,
    "meter-events?state=pending",
    "meter-events?state=rejected",
    "meter-events?state=delivered",
    `meter-events?organization_id=${id}&meter=temperature_readings`,
    `meter-events/${event?.id}`,
    "meter-events?idempotency_key=once",
    `meter-events/${event?.id}/readings`,
    "stripe-events",
    "stripe-events?state=failed",
    "outbox",
  ];
  await api.ask("POST", "/v1/delivery/pause", { token: api.adminToken, json: { reason: "maintenance" } });
  await api.ask("POST", "/v1/delivery/resume", { token: api.adminToken });
  for (const path of ofKey) expect(await statusOf(api, path, key), path).toBe(200);
  for (const path of ofOperator) expect(await statusOf(api, path, api.adminToken), path).toBe(200);
}

async function statusOf(api: Api, path: string, token: string): Promise<number> {
  return (await api.ask("GET", `/v1/${path}`, { token })).status;
}

const draft = {
  id: "in_1",
  subscriptionId: "sub_1",
  billingReason: "subscription_cycle",
  status: "draft",
  finalizedAt: null,
  paidAt: null,
};

/** A billing period is over, and its invoice is a draft whose time has come. */
async function endPeriod(db: Db, { id, customer }: Account): Promise<Date> {
  const [start, end] = [monthsAgo(2), monthsAgo(1)];
  await sql`
    insert into metering.billing_periods (organization_id, period_start, period_end, stripe_customer_id)
    values (${id}, ${start}, ${end}, ${customer})
    on conflict do nothing
  `.execute(db);
  const [inDatabase] = (await sql<{ now: string }>`select now()::text as now`.execute(db)).rows;
  await db.transaction().execute((trx) =>
    adoptInvoice(trx, {
      invoiceId: "in_1",
      customerId: customer,
      invoice: {
        ...draft,
        customerId: customer,
        periodStart: start,
        periodEnd: end,
        createdAt: end,
        finalizesAt: end,
      },
      usage: { start, end, shortest: { start, end }, invoiced: {}, billedTwice: [] },
      readBeganAt: inDatabase?.now ?? "",
    }),
  );
  return start;
}

/** What tells people of the books: statements, metrics, and what operators did. */
async function readBooks({ db, api }: { db: Db; api: Api }, { id }: Account, start: Date): Promise<void> {
  const { adminToken: token } = api;
  for (const path of [
    `organizations/${id}/statements`,
    `organizations/${id}/statements/${start.toISOString()}`,
  ]) {
    expect(await statusOf(api, path, token), path).toBe(200);
  }
  // What was delivered after an invoice was final is looked for beside each final invoice.
  const final = { finalizedAt: new Date() };
  await listStatementRows(db, id, [{ customer: `cus_${id}`, start, end: monthsAgo(1), ...final }]);
  for (const { read } of databaseReads) await read(db, { billableStatuses: billableByDefault });
  await listBooks(db, { stage: "closing", limit: 50 });
  await countBooks(db);
  await listActions(db, { before: undefined, limit: 10 });
  await listActions(db, { organizationId: id, before: undefined, limit: 10 });
}

/** The jobs that a worker runs by the clock. */
async function keepUp({ db, boss }: Databases): Promise<void> {
  await sweep({ db, boss, log: silentLog }, { retryDelay: 1, retryDelayMax: 2, expireInSeconds: 45 });
  await warnOfExpiry({ db, log: silentLog });
  await warnOfInvoices({ db, log: silentLog }, new Set());
  await keepFigures(db);
  await purgeStripeEvents(db, { keptDays: 90 });
  for (const { read } of databaseReads) await read(db, { billableStatuses: billableByDefault });
  await startHeartbeat({ db, log: silentLog }, { kind: "worker", transport: "sync" }).stop();
  await forgetOldProcesses(db);
  await listDoubt(db, { absenceSeconds: 1 });
  await alert(db);
}

/** Figures of the minutes and hours of an absence, and what is drawn of them. */
async function keepFigures(db: Db): Promise<void> {
  // So many that a block range index is worth more than reading all of them by their key.
  await sql`
    insert into metering.delivery_attempts
      (organization_id, meter_event_id, attempt, started_at, duration_ms, verdict, http_status)
    select m.organization_id, m.id, 1000 + n, now() - interval '30 minutes', 100, 'retry', 503
    from (select organization_id, id from metering.meter_events order by id limit 1) m, generate_series(1, 20000) n
  `.execute(db);
  await sql`vacuum analyze metering.delivery_attempts`.execute(db);
  const since = new Date((Math.floor(Date.now() / 60_000) - 120) * 60_000);
  await db.updateTable("figure_progress").set({ written_until: since, final_until: since }).execute();
  while ((await writeFigures(db)).isBehind);
  const progress = await readFigureProgress(db);
  for (const span of figureSpans) await readFigures(db, span, progress);
}

/** An operator asks for a comparison whose job is lost, and a worker does all that a minute brings. */
async function compareSums(
  { db, boss }: Databases,
  { id: organizationId }: Account,
  { url, secretKey }: StripeAccount,
): Promise<void> {
  const span = { start: new Date(Date.now() - 86_400_000), end: new Date() };
  const request = await askForComparison({ db, boss }, { organizationId, ...span });
  await readRequest(db, { organizationId, id: request });
  const reads = createStripeReads(
    createStripe({ apiKey: secretKey, apiBase: url, timeoutMs: 15_000 }),
    secretKey,
  );
  const eventNames = { temperature_readings: "temperature_readings", active_sensors: "active_sensors" };
  await reconcile(
    { db, boss, log: silentLog, reads, eventNames, stripeNowMs: Date.now, askedInVain: new Map() },
    {
      readsPerDay: 100,
      settleSeconds: 0,
      absenceSeconds: 0,
      gate: { mode: "off", marginMinutes: 20 },
      lateUsage: "report",
    },
  );
}

/** A condition of docs/alerts.yaml begins to hold, and the receiver takes the post. */
async function alert(db: Db): Promise<void> {
  const deps = { db, log: silentLog, send: async () => undefined, onPost: () => {} };
  const labels = { scope: "account", by: "breaker" };
  const samples = [{ name: "meter_outbox_delivery_paused_seconds" as const, labels, value: 3_600 }];
  await noteConditions(deps, { samples }, { now: new Date(), isWhole: false });
  await tellAlerts(deps, new AbortController().signal);
}

/** A meter event that replaces another is shown; Stripe reports a failure, which is retried; the subscription changes, and its customer is deleted. */
async function endBilling({ db, boss }: Databases, { id, customer }: Account): Promise<void> {
  const { id: event, hour } = await db
    .selectFrom("meter_events")
    .select(["id", "hour"])
    .orderBy("id")
    .executeTakeFirstOrThrow();
  await readSealedEvents(db, { organizationId: id, id: event, hour, replacesId: event });
  const error = { identifier: event, code: "meter_event_invalid_value", message: "no" };
  const at = new Date();
  const report = { errorCount: 1, errors: [error], validationStart: at, validationEnd: at };
  await findOrganizationsOf(db, customer);
  await db.transaction().execute(async (trx) => {
    await rejectReported(trx, report, { meters: meterNames });
    await adoptSubscription(trx, {
      customerId: customer,
      chosen: undefined,
      billed: [],
      otherBounds: [],
      subscriptionIds: [],
      readBeganAt: at.toISOString(),
    });
  });
  await retryRejected({ db, boss }, {});
  await hurryOrganization({ db, boss }, id);
  await db.transaction().execute(async (trx) => {
    await rejectOfCustomer(trx, customer);
    await unlinkCustomer(trx, customer);
  });
}

/** Sessions tell what they read at the end of a transaction, and mostly later. */
async function flushStatistics(pools: readonly Pool[]): Promise<void> {
  for (const pool of pools) {
    const sessions = await Promise.all(Array.from({ length: pool.totalCount }, () => pool.connect()));
    for (const session of sessions) {
      await session.query("select pg_stat_force_next_flush()");
      session.release();
    }
  }
}

/** The indexes of our schema that no query has read; the indexes of all partitions count as one. */
async function findUnusedIndexes(db: Db): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select coalesce(whole.relname, s.indexrelname) as name
    from pg_stat_user_indexes s
    left join pg_inherits i on i.inhrelid = s.indexrelid
    left join pg_class whole on whole.oid = i.inhparent
    where s.schemaname = 'metering'
    group by 1
    having sum(s.idx_scan) = 0
    order by 1
  `.execute(db);
  return rows.map(({ name }) => name);
}

import { sql } from "kysely";
import type { Pool } from "pg";
import type { PgBoss } from "pg-boss";
import { expect } from "vitest";
import { byIndex } from "../database/one-plan.ts";
import type { Db } from "../database/db.ts";
import { createQueryBuilder } from "../database/query-builder.ts";
import { listUnderWay } from "../delivery/attempt-under-way.ts";
import { type Attempt, beginAttempts } from "../delivery/begin-attempts.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import { listMeterEvents, reportMeterEvents, reportOldEvents } from "../delivery/meter-events.ts";
import { outcomeOf } from "../delivery/outcome.ts";
import { type FinishedAttempt, settleAttempts } from "../delivery/settle.ts";
import { sweepMeterEvents } from "../delivery/sweep.ts";
import { verdictOf } from "../delivery/verdict.ts";
import { storeBatches } from "../intake/store-readings.ts";
import { figureSpans, readFigureProgress, readFigures } from "../monitoring/figures/read-figures.ts";
import { writeFigures } from "../monitoring/figures/write-figures.ts";
import { databaseReads } from "../monitoring/metrics/reads.ts";
import { readPeriodEvents } from "../reconciliation/close/period-events.ts";
import { readPeriodLooks } from "../reconciliation/close/period-look.ts";
import { listStatementRows } from "../reconciliation/close/statement-rows.ts";
import { countBooks, listBooks } from "../reconciliation/close/list-books.ts";
import { foldBuckets, foldWindow } from "../reconciliation/fold-window.ts";
import { reportOldEntries } from "../outbox/near-expiry.ts";
import { readOrganizationTotals } from "../outbox/organization-totals.ts";
import { readPeriodEntries } from "../outbox/period-entries.ts";
import { reportUnsealed } from "../outbox/report.ts";
import { sealDueEntries } from "../outbox/seal.ts";
import { readAgesByOrganization } from "../outbox/unsealed.ts";
import { readUsage } from "../outbox/usage.ts";
import { readUsageSummary } from "../outbox/usage-summary.ts";
import { openExplainingPool } from "../testing/plans/explaining-pool.ts";
import { fillTables, statisticsStates } from "../testing/plans/statistics-states.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { meterNames } from "../usage/meters.ts";
import { billableByDefault } from "../usage/subscription-statuses.ts";

const unsealed = "meter_outbox by meter_outbox_meter_organization_id_occurred_at_id";
const sealed = "meter_outbox by meter_outbox_organization_id_meter_event_id";
const pending = "meter_events by meter_events_pending_by_meter";
const byId = "meter_events by meter_events_pkey";
const newerGauges = "meter_events by meter_events_hour";
const links = "customer_links by customer_links_pkey";
const organizations = "organizations by organizations_pkey";
const period = "subscriptions by subscriptions_pkey";
const pastPeriods = "billing_periods by billing_periods_pkey";

const entries = "meter_outbox by meter_outbox_pkey";
const sums = "usage_sums by usage_sums_pkey";
const carried = "meter_events by meter_events_carried";
const undelivered = "meter_events by meter_events_undelivered";
const besideSums = `${carried}, ${undelivered}, ${pending}, meter_events by meter_events_replacing`;

/** How each statement of the road reads each table, whatever the statistics say. */
const expected: Record<string, string[]> = {
  "store readings": ["readings by readings_pkey, sensors by sensors_pkey"],
  seal: [
    `${pastPeriods}, ${links}, ${pending}, ${unsealed}, ${period}`,
    `${links}, ${unsealed}`,
    pending,
    byId,
    entries,
    sealed,
  ],
  "begin attempts": [`${pastPeriods}, ${newerGauges}, ${byId}, ${period}`, byId],
  settle: [byId],
  "fold a window": ["customer_organizations by customer_organizations_pkey", newerGauges],
  sweep: [pending, `${pastPeriods}, ${newerGauges}, ${pending}, ${period}`, `${pending}, ${byId}`],
  books: [
    "billing_periods by billing_periods_by_end",
    `billing_periods by billing_periods_by_end, ${organizations}`,
  ],
  "write figures": [
    `delivery_attempts by delivery_attempts_started_at, ${byId}, meter_outbox by meter_outbox_pkey, ${organizations}`,
    `${links}, ${unsealed}`,
    pending,
    "minute_figures by minute_figures_pkey",
  ],
  "read figures": ["hour_figures by hour_figures_pkey", "minute_figures by minute_figures_pkey"],
  totals: [`${links}, ${newerGauges}, ${unsealed}`],
  usage: [
    byId,
    `${newerGauges}, ${byId}, ${unsealed}, ${entries}`,
    organizations,
    `${newerGauges}, ${byId}, ${unsealed}`,
    `${besideSums}, ${byId}, ${unsealed}, ${sums}`,
    `${undelivered}, ${pending}, ${byId}, ${unsealed}, ${sums}`,
    `${undelivered}, ${pending}, ${byId}, ${unsealed}, ${entries}, ${sums}`,
    `${newerGauges}, ${byId}, ${unsealed}, ${entries}, ${sealed}`,
  ],
  statement: [
    byId,
    carried,
    `${links}, ${newerGauges}, ${byId}, ${unsealed}, ${entries}, ${sums}`,
    `${links}, ${newerGauges}, ${unsealed}, ${entries}`,
    `${besideSums}, ${byId}, ${newerGauges}, ${sums}`,
    `${besideSums}, ${newerGauges}, meter_events by meter_events_delivered_late`,
    `${links}, ${unsealed}`,
    newerGauges,
  ],
  "events that say": [
    `job_common by job_common_i6, job_common by job_common_pkey, meter_events by meter_events_attention, ${pending}`,
  ],
  report: [
    `${links}, ${unsealed}`,
    `${links}, ${unsealed}, ${organizations}`,
    `${links}, ${newerGauges}, ${unsealed}, ${period}`,
    `meter_events by meter_events_attention, ${pending}`,
    `meter_events by meter_events_attention, ${pending}, ${byId}`,
    `billing_periods by billing_periods_by_end, ${newerGauges}`,
    "billing_periods by billing_periods_not_billed",
    "billing_periods by billing_periods_pkey",
    "billing_periods by billing_periods_unreconciled, meter_events by meter_events_attention, meter_events by meter_events_reported",
    `${organizations}, ${period}`,
    "pg_class by pg_class_oid_index, pg_inherits by pg_inherits_parent_index",
  ],
};

const onePostgres = localOnly(
  "plans are those of one Postgres; a cluster sends the statements of the road to one shard (acceptance/cluster)",
);

for (const state of statisticsStates) {
  test.skipIf(onePostgres)(
    `every statement of the road has its one plan when tables were ${state}`,
    async ({ database, boss }) => {
      await fillTables(database.db, state);

      const found = await readPlans(Object.keys(road), { database, boss });

      expect(inOrder(found)).toEqual(inOrder(expected));
    },
  );

  test.skipIf(onePostgres)(
    `the plans that the delivery keeps are the same when tables were ${state}`,
    async ({ database, boss, skip }) => {
      const { rows } = await sql<{ version: number }>`
        select current_setting('server_version_num')::int as version
      `.execute(database.db);
      skip((rows[0]?.version ?? 0) < 16_00_00, "Postgres 15 cannot tell a plan without parameters");
      await fillTables(database.db, state);

      const found = await readPlans(kept, { database, boss, areKept: true });

      const wanted = kept.map((name) => [name, expected[name] ?? []] as const);
      expect(inOrder(found)).toEqual(inOrder(Object.fromEntries(wanted)));
    },
  );
}

/** What a connection of the delivery loop plans once. */
const kept = ["begin attempts", "settle"];

async function readPlans(
  names: readonly string[],
  { database, boss, areKept }: { database: { url: string }; boss: PgBoss; areKept?: boolean },
): Promise<Record<string, string[]>> {
  const { pool, takePlans } = await openExplainingPool(database.url, { areKept });
  const db = createQueryBuilder(pool);
  const found: Record<string, string[]> = {};
  try {
    for (const name of names) {
      await road[name]?.({ pool, db, boss });
      found[name] = takePlans().map((plan) => (besideSumsIn.has(name) ? byUndelivered(plan) : plan));
    }
  } finally {
    await db.destroy();
  }
  return found;
}

type Way = { pool: Pool; db: Db; boss: PgBoss };

const leaseSeconds = 45;

/** From the beginning of attempts to their settling. */
const begun: Attempt[] = [];

const road: Record<string, (way: Way) => Promise<void>> = {
  "store readings": storeTwice,
  seal: async ({ db, boss }) => {
    await sealDueEntries({ db, boss }, { meters: meterNames });
  },
  "begin attempts": async ({ db }) => {
    const keys = await listKeys(db);
    await listUnderWay(db, keys, { leaseSeconds });
    begun.splice(0, begun.length, ...(await beginAttempts(db, keys, { leaseSeconds })));
  },
  settle: async ({ db, boss }) => {
    await settleAttempts({ db, boss }, begun.map(delivered));
  },
  "fold a window": async ({ db }) => {
    const { organization_id: organizationId, stripe_customer_id: customer } = await db
      .selectFrom("meter_events")
      .select(["organization_id", "stripe_customer_id"])
      .limit(1)
      .executeTakeFirstOrThrow();
    const until = new Date(Math.ceil(Date.now() / 86_400_000) * 86_400_000);
    const span = { start: new Date(until.getTime() - 30 * 86_400_000), end: until };
    for (const meter of meterNames) {
      await foldWindow(db, { organizationId, customer, meter, ...span });
      await foldBuckets(db, { organizationId, customer, meter, ...span }, { grouping: "hour" });
    }
  },
  totals: async ({ db }) => {
    const page = await db.selectFrom("organizations").select("id").orderBy("id").limit(50).execute();
    const [from, to] = [new Date(Date.now() - 30 * 86_400_000), new Date()];
    const wanted = page.map(({ id: organizationId }) => ({ organizationId, from, to }));
    await readOrganizationTotals(db, "temperature_readings", wanted);
  },
  books: async ({ db }) => {
    await countBooks(db);
    await listBooks(db, { limit: 50 });
  },
  sweep: async ({ db, boss }) => {
    await sweepMeterEvents({ db, boss }, { leaseSeconds });
  },
  usage: async ({ db }) => {
    const organizationId = (await db.selectFrom("organizations").select("id").executeTakeFirstOrThrow()).id;
    const to = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000);
    const span = { from: new Date(to.getTime() - 30 * 86_400_000), to, keptFrom: null };
    for (const meter of meterNames) {
      for (const granularity of ["hour", "day"] as const) {
        await readUsage(db, organizationId, { ...span, meter, granularity, timeZone: "UTC" });
      }
      // There edges divide every hour.
      await readUsage(db, organizationId, { ...span, meter, granularity: "hour", timeZone: "Asia/Kolkata" });
      await readUsageSummary(db, { ...span, meter, after: undefined, limit: 100 });
    }
  },
  statement: async ({ db }) => {
    const organizationId = (await db.selectFrom("organizations").select("id").executeTakeFirstOrThrow()).id;
    const end = new Date(Math.floor(Date.now() / 60_000) * 60_000);
    const times = [1, 2].map((days) => ({
      customer: `cus_${organizationId}`,
      start: new Date(end.getTime() - days * 86_400_000),
      end: new Date(end.getTime() - (days - 1) * 86_400_000),
      finalizedAt: end,
    }));
    await readPeriodEntries(db, { organizationId, times });
    await readPeriodEvents(db, { organizationId, times });
    await readPeriodLooks(db, { organizationId, times });
    await listStatementRows(db, organizationId, times);
  },
  "events that say": async ({ db }) => {
    await listMeterEvents(db, { words: "never said", before: undefined, limit: 50 });
  },
  "write figures": async ({ db }) => {
    const since = new Date((Math.floor(Date.now() / 60_000) - 90) * 60_000);
    await db.updateTable("figure_progress").set({ written_until: since, final_until: since }).execute();
    while ((await writeFigures(db)).isBehind);
  },
  "read figures": async ({ db }) => {
    const progress = await readFigureProgress(db);
    for (const span of figureSpans) await readFigures(db, span, progress);
  },
  report: async ({ db }) => {
    for (const { read } of databaseReads)
      await byIndex(db, (one) => read(one, { billableStatuses: billableByDefault }));
    // As with more unsealed entries than are read one by one.
    await byIndex(db, readAgesByOrganization);
    await reportUnsealed(db);
    await reportMeterEvents(db);
    await reportOldEntries(db, { ageDays: 30 });
    await reportOldEvents(db, { ageDays: 30 });
  },
};

async function storeTwice({ pool, db }: Way): Promise<void> {
  const stored = await db.selectFrom("organizations").select("id").orderBy("id").limit(20).execute();
  const batches = stored.map(({ id }) => ({
    organizationId: id,
    readings: Array.from({ length: 20 }, (_, n) => ({
      sensorId: `sensor-${n + 1}`,
      recordedAt: new Date(Date.now() - n * 60_000).toISOString(),
      temperature: 4,
    })),
  }));
  const client = await pool.connect();
  await storeBatches(client, batches);
  await storeBatches(client, batches);
  client.release();
}

/** Of both meters, as many as a worker begins at once. */
async function listKeys(db: Db): Promise<MeterEventKey[]> {
  const due = await db
    .selectFrom("meter_events")
    .select(["organization_id as organizationId", "id as meterEventId"])
    .where("state", "=", "pending")
    .orderBy("id", "desc")
    .limit(100)
    .execute();
  return due;
}

function delivered(attempt: Attempt): FinishedAttempt {
  const answer = { kind: "success", httpStatus: 200, requestId: "req_1" } as const;
  const verdict = verdictOf(answer);
  const outcome = outcomeOf(verdict, { firstUnknownAt: attempt.firstUnknownAt, now: new Date() });
  const job = { id: "00000000-0000-7000-8000-000000000001", retryCount: 0 };
  return { attempt, job, durationMs: 1, answer, verdict, outcome };
}

/** What reads sums, and what is not delivered beside them. */
const besideSumsIn = new Set(["usage", "statement"]);

/** Two indexes hold what is not delivered and nothing else; where that is a few rows, Postgres 15 takes either. */
function byUndelivered(plan: string): string {
  return plan.replace("meter_events by meter_events_attention", undelivered);
}

function inOrder(plansOf: Record<string, string[]>): Record<string, string[]> {
  const ordered = (plan: string) => plan.split(", ").toSorted().join(", ");
  return Object.fromEntries(
    Object.entries(plansOf).map(([name, plans]) => [name, plans.map(ordered).toSorted()]),
  );
}

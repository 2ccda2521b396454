import { setTimeout as sleep } from "node:timers/promises";
import { createBoss } from "../../src/queue/boss.ts";
import { silentLog } from "../../src/log.ts";
import { openDatabase } from "../../src/database/pool.ts";
import { resolveDoubt } from "../../src/reconciliation/doubt/resolve-doubt.ts";
import { createStripe } from "../../src/stripe/client.ts";
import { createStripeReads } from "../../src/stripe/reads.ts";
import type { OperatorApi } from "./operator-api.ts";
import { queryRows } from "./query-rows.ts";
import { controlSimulator } from "./simulator-control.ts";
import type { StripeSide } from "./stripe-side.ts";

/** Sums show each event after up to so long; the worker's looks are further apart than that. */
const lagSeconds = 3;
const refusedOfEach = 2;
const cutAnswers = 4;
const readsMax = 1_000;
const requestTimeoutMs = 15_000;
const patienceMs = 120_000;
const askAgainMs = 2_000;

/**
 * Makes the simulator lag, cut answers off, and refuse usage of these customers afterwards without naming it. A customer
 * whose billing period begins in the middle of a minute is left out: the sum of that minute tells two periods.
 */
export async function spoilStripe(side: StripeSide, customers: readonly string[]): Promise<void> {
  await controlSimulator(side, "settings", {
    summary_delay_max_seconds: lagSeconds,
    error_report_samples_max: 0,
  });
  const path = "/v1/billing/meter_events";
  await controlSimulator(side, "faults", [
    ...customers.map((customer) => ({
      kind: "refuse_later",
      code: "timestamp_too_far_in_past",
      meter: "temperature_readings",
      times: refusedOfEach,
      customer,
      path,
    })),
    { kind: "accept_then_cut", sent: "half_body", path, times: cutAnswers },
  ]);
}

type Mending = { side: StripeSide; databaseUrl: string; api: OperatorApi; signal: AbortSignal };

/**
 * Lets Stripe report failures that it does not name and forget identifiers, waits until the service has found by the sums
 * which usage is missing, and gives what was rejected another try. Returns what was found and mended, in words.
 */
export async function mendByEvidence({ side, databaseUrl, api, signal }: Mending): Promise<string> {
  await controlSimulator(side, "error_reports", {});
  await controlSimulator(side, "meter_events/forget", {});
  await untilResolved({ side, databaseUrl, signal });
  const retried = await api.retryRejected();
  return describeMending(databaseUrl, retried);
}

/**
 * Looks at the sums as a worker does when an hour has ended. Nothing is taken in or sent any more, so the running hour can
 * be looked at, too: a person at a demo waits for no hour to end.
 */
async function untilResolved({ side, databaseUrl, signal }: Omit<Mending, "api">): Promise<void> {
  const database = openDatabase(
    { connectionString: databaseUrl, applicationName: "meter-outbox demo", connectionsMax: 2 },
    silentLog,
  );
  const boss = createBoss({ databaseUrl, role: "api", connectionsMax: 1 }, silentLog);
  await boss.start();
  const { apiKey, apiBase } = side;
  const stripe = createStripe({ apiKey, apiBase, timeoutMs: requestTimeoutMs });
  const deps = {
    db: database.db,
    boss,
    log: silentLog,
    reads: createStripeReads(stripe, apiKey),
    eventNames: { temperature_readings: "temperature_readings", active_sensors: "active_sensors" },
    budget: { perDay: readsMax, evidencePerDay: readsMax },
    settleSeconds: lagSeconds + 1,
    absenceSeconds: lagSeconds + 1,
  };
  try {
    const deadlineMs = performance.now() + patienceMs;
    for (;;) {
      const { reported, doubtful } = await readDoubt(databaseUrl);
      if (reported > 0 && doubtful === 0) return;
      if (performance.now() > deadlineMs) {
        throw new Error(`after ${patienceMs / 1_000} seconds ${doubtful} meter events are in doubt`);
      }
      await resolveDoubt(deps, { isCurrentHourToo: true });
      await sleep(askAgainMs, undefined, { signal });
    }
  } finally {
    await boss.stop({ graceful: false });
    await database.close();
  }
}

type Doubt = { reported: number; doubtful: number };

async function readDoubt(databaseUrl: string): Promise<Doubt> {
  const [doubt] = await queryRows<Doubt>(
    databaseUrl,
    `select reported, doubtful
     from (
       select count(*)::int as reported from metering.stripe_events
       where event_type = 'v1.billing.meter.error_report_triggered' and state = 'handled'
     ) reports
     cross join (
       select count(*)::int as doubtful from metering.meter_events
       where state = 'in_doubt' or state = 'delivered' and reconcile_since is not null
     ) events`,
  );
  return doubt ?? { reported: 0, doubtful: 0 };
}

async function describeMending(databaseUrl: string, retried: number): Promise<string> {
  const found = await queryRows<{ state: string; reason: string; count: number }>(
    databaseUrl,
    `select state, reason, count(*)::int as count from metering.meter_events
     where state <> 'delivered' and reason is distinct from 'newer_value' or state = 'delivered' and reason = 'found_in_sum'
     group by state, reason order by state, reason`,
  );
  const [reads] = await queryRows<{ reads: number }>(
    databaseUrl,
    "select coalesce(sum(reads), 0)::int as reads from metering.reconcile_reads",
  );
  const list = found
    .map(({ state, reason, count }) => `${count} ${state}${reason === null ? "" : ` (${reason})`}`)
    .join(", ");
  return (
    `faults: Stripe refused ${refusedOfEach} meter events of each of two customers after its 200 and named none, cut ${cutAnswers} answers off, ` +
    `lagged ${lagSeconds} s and forgot identifiers; found by ${reads?.reads ?? 0} reads of its sums: ${list}; ` +
    `sent again: ${retried}`
  );
}

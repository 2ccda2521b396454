import type { Db } from "../../database/db.ts";
import type { GaugeName, Sample } from "./database-gauges.ts";
import { databaseReads } from "./reads.ts";

const minuteSeconds = 60;
const hourSeconds = 3_600;
const daySeconds = 86_400;

/** One alert of docs/alerts.yaml that the database alone can tell of: its gauge is past its bound. */
export type ConditionRule = {
  alert: string;
  severity: "warning" | "critical";
  gauge: GaugeName;
  /** Samples with other values of these labels do not count. */
  where?: Record<string, string>;
} & ({ above: number } | { below: number }) & {
    say: (value: number, labels: Record<string, string>) => string;
  };

/** The alert's name, and in words what is wrong now. */
export type Condition = Pick<ConditionRule, "alert" | "severity"> & { detail: string };

/** In the order of docs/alerts.yaml; a test holds each bound to that file. */
export const conditionRules: readonly ConditionRule[] = [
  {
    alert: "MeterOutboxUnsealedOld",
    severity: "warning",
    gauge: "meter_outbox_unsealed_oldest_age_seconds",
    where: { held: "false" },
    above: 30 * minuteSeconds,
    say: (age) => `usage of a paying customer has waited ${inWords(age)} to be sealed`,
  },
  {
    alert: "MeterOutboxUnsealedTooOld",
    severity: "critical",
    gauge: "meter_outbox_unsealed_oldest_age_seconds",
    where: { held: "false" },
    above: hourSeconds,
    say: (age) => `usage has waited ${inWords(age)} to be sealed; its invoice may be finalized without it`,
  },
  {
    alert: "MeterOutboxHeldOld",
    severity: "warning",
    gauge: "meter_outbox_unsealed_oldest_age_seconds",
    where: { held: "true" },
    above: 6 * hourSeconds,
    say: (age) => `usage of an organization without a Stripe customer has been held for ${inWords(age)}`,
  },
  {
    alert: "MeterOutboxUsageUninvoiced",
    severity: "warning",
    gauge: "meter_outbox_uninvoiced_quantity",
    above: 0,
    say: (quantity, { meter, reason = "" }) =>
      `${quantity} of ${meter} will be on no invoice (${reason.replaceAll("_", " ")})`,
  },
  {
    alert: "MeterOutboxUndeliveredOld",
    severity: "warning",
    gauge: "meter_outbox_meter_events_oldest_age_seconds",
    where: { state: "pending" },
    above: 30 * minuteSeconds,
    say: (age, { meter }) => `a meter event of ${meter} has been undelivered for ${inWords(age)}`,
  },
  {
    alert: "MeterOutboxUndeliveredTooOld",
    severity: "critical",
    gauge: "meter_outbox_meter_events_oldest_age_seconds",
    where: { state: "pending" },
    above: hourSeconds,
    say: (age, { meter }) =>
      `a meter event of ${meter} has been undelivered for ${inWords(age)}; its invoice may be finalized without it`,
  },
  {
    alert: "MeterOutboxPausedByBreaker",
    severity: "warning",
    gauge: "meter_outbox_delivery_paused_seconds",
    where: { by: "breaker" },
    above: 5 * minuteSeconds,
    say: (age, { scope }) => `the circuit breaker has paused ${scope} for ${inWords(age)}`,
  },
  {
    alert: "MeterOutboxInDoubt",
    severity: "warning",
    gauge: "meter_outbox_meter_events",
    where: { state: "in_doubt" },
    above: 0,
    say: (count, { meter }) => `${count} meter events of ${meter} are in doubt`,
  },
  {
    alert: "MeterOutboxIdentifierLimitNear",
    severity: "critical",
    gauge: "meter_outbox_identifier_seconds_left",
    below: 4 * hourSeconds,
    say: (left) => `in ${inWords(left)} a meter event goes in doubt`,
  },
  {
    alert: "MeterOutboxUsageNearExpiry",
    severity: "warning",
    gauge: "meter_outbox_expiry_seconds_left",
    below: 4 * daySeconds,
    say: (left, { of: what }) => `undelivered usage (${what}) is 30 days old; ${inWords(left)} are left`,
  },
  {
    alert: "MeterOutboxWebhookBacklog",
    severity: "warning",
    gauge: "meter_outbox_webhook_oldest_pending_age_seconds",
    above: 10 * minuteSeconds,
    say: (age) => `a webhook event of Stripe's has waited ${inWords(age)}`,
  },
  {
    alert: "MeterOutboxWebhookFailed",
    severity: "warning",
    gauge: "meter_outbox_webhook_events",
    where: { state: "failed" },
    above: 0,
    say: (count) => `${count} webhook events of Stripe's could not be handled`,
  },
  {
    alert: "MeterOutboxSensorCountMissed",
    severity: "warning",
    gauge: "meter_outbox_sensor_count_age_seconds",
    above: 2 * hourSeconds + 5 * minuteSeconds,
    say: (age) => `active sensors were last counted for the hour that began ${inWords(age)} ago`,
  },
  {
    alert: "MeterOutboxDefaultPartitionNotEmpty",
    severity: "warning",
    gauge: "meter_outbox_default_partition_rows",
    above: 0,
    say: (rows, { table }) => `${rows} rows of ${table} found no partition of their month`,
  },
  {
    alert: "MeterOutboxPartitionOverdue",
    severity: "warning",
    gauge: "meter_outbox_partition_overdue_seconds",
    above: daySeconds,
    say: (age, { table }) => `a month of ${table} should have been dropped ${inWords(age)} ago`,
  },
];

/** Every alert that holds now, by what the database says. Throws when a read fails. */
export async function readConditions(db: Db): Promise<Condition[]> {
  const samples: Sample[] = [];
  for (const { read } of databaseReads) samples.push(...(await read(db)));
  return findConditions(samples);
}

/** The same of what was measured. Where several series are past the bound, the worst is told. */
export function findConditions(samples: readonly Sample[]): Condition[] {
  return conditionRules.flatMap((rule) => {
    const isAbove = "above" in rule;
    const [worst] = samples
      .filter(({ name, labels = {} }) => name === rule.gauge && matches(labels, rule.where))
      .toSorted((one, other) => (isAbove ? other.value - one.value : one.value - other.value));
    if (worst === undefined) return [];
    const holds = isAbove ? worst.value > rule.above : worst.value < rule.below;
    if (!holds) return [];
    const { alert, severity, say } = rule;
    return [{ alert, severity, detail: say(worst.value, worst.labels ?? {}) }];
  });
}

function matches(labels: Record<string, string>, wanted: Record<string, string> = {}): boolean {
  return Object.entries(wanted).every(([label, value]) => labels[label] === value);
}

function inWords(seconds: number): string {
  if (seconds >= 2 * daySeconds) return `${Math.round(seconds / daySeconds)} days`;
  if (seconds >= 2 * hourSeconds) return `${Math.round(seconds / hourSeconds)} hours`;
  return `${Math.round(seconds / minuteSeconds)} minutes`;
}

import type { GaugeName } from "../metrics/database-gauges.ts";

/**
 * A condition of docs/alerts.yaml that the database can tell, in the same words; a test compares each with its rule
 * there. Durations are seconds.
 */
export type AlertRule = {
  name: string;
  severity: "warning" | "critical";
  summary: string;
  gauge: GaugeName;
  /** Only samples with these labels. */
  where?: Readonly<Record<string, string>>;
  /** How samples become one value; `by` names the labels that each alert is about. */
  fold: "max" | "min" | "sum";
  by?: readonly string[];
  /** A limit to cross, or growth: more than so long before. */
  when: { above: number } | { below: number } | { growsWithin: number; keepFiring: number };
  /** The alert begins when its condition has been true for this long. */
  heldFor?: number;
};

const [minute, hour, day] = [60, 3_600, 86_400] as const;

export const alertRules: readonly AlertRule[] = [
  {
    name: "MeterOutboxUnsealedOld",
    severity: "warning",
    summary: "The oldest usage of a paying customer has waited {{ $value | humanizeDuration }} to be sealed",
    gauge: "meter_outbox_unsealed_oldest_age_seconds",
    where: { held: "false" },
    fold: "max",
    when: { above: 30 * minute },
    heldFor: minute,
  },
  {
    name: "MeterOutboxUnsealedTooOld",
    severity: "critical",
    summary:
      "Usage has waited {{ $value | humanizeDuration }} to be sealed; Stripe may finalize its invoice without it",
    gauge: "meter_outbox_unsealed_oldest_age_seconds",
    where: { held: "false" },
    fold: "max",
    when: { above: hour },
    heldFor: minute,
  },
  {
    name: "MeterOutboxHeldOld",
    severity: "warning",
    summary:
      "Usage of an organization without a Stripe customer has been held for {{ $value | humanizeDuration }}",
    gauge: "meter_outbox_unsealed_oldest_age_seconds",
    where: { held: "true" },
    fold: "max",
    when: { above: 6 * hour },
  },
  {
    name: "MeterOutboxUsageUninvoiced",
    severity: "warning",
    summary: "{{ $value }} of {{ $labels.meter }} will be on no invoice ({{ $labels.reason }})",
    gauge: "meter_outbox_uninvoiced_quantity",
    fold: "max",
    by: ["meter", "reason"],
    when: { above: 0 },
    heldFor: 5 * minute,
  },
  {
    name: "MeterOutboxInvoiceOverOpenUsage",
    severity: "critical",
    summary:
      "In {{ $value | humanizeDuration }} Stripe finalizes an invoice over usage that is not there yet",
    gauge: "meter_outbox_open_draft_seconds_left",
    fold: "min",
    when: { below: 15 * minute },
  },
  {
    name: "MeterOutboxInvoiceHeldLong",
    severity: "warning",
    summary: "A draft invoice has been held for {{ $value | humanizeDuration }}",
    gauge: "meter_outbox_invoice_held_seconds",
    fold: "max",
    when: { above: 6 * hour },
  },
  {
    name: "MeterOutboxUsageNotBilled",
    severity: "warning",
    summary: "Final invoices lack {{ $value }} of {{ $labels.meter }}",
    gauge: "meter_outbox_not_billed_quantity",
    fold: "max",
    by: ["meter"],
    when: { above: 0 },
    heldFor: 5 * minute,
  },
  {
    name: "MeterOutboxUndeliveredOld",
    severity: "warning",
    summary: "The oldest undelivered meter event is {{ $value | humanizeDuration }} old",
    gauge: "meter_outbox_meter_events_oldest_age_seconds",
    where: { state: "pending" },
    fold: "max",
    when: { above: 30 * minute },
    heldFor: minute,
  },
  {
    name: "MeterOutboxUndeliveredTooOld",
    severity: "critical",
    summary:
      "A meter event has been undelivered for {{ $value | humanizeDuration }}; Stripe may finalize its invoice without it",
    gauge: "meter_outbox_meter_events_oldest_age_seconds",
    where: { state: "pending" },
    fold: "max",
    when: { above: hour },
    heldFor: minute,
  },
  {
    name: "MeterOutboxPausedByBreaker",
    severity: "warning",
    summary: "The circuit breaker has paused {{ $labels.scope }} for {{ $value | humanizeDuration }}",
    gauge: "meter_outbox_delivery_paused_seconds",
    where: { by: "breaker" },
    fold: "max",
    by: ["scope"],
    when: { above: 5 * minute },
  },
  {
    name: "MeterOutboxInDoubt",
    severity: "warning",
    summary: "{{ $value }} meter events are in doubt: Stripe may or may not have counted them",
    gauge: "meter_outbox_meter_events",
    where: { state: "in_doubt" },
    fold: "sum",
    when: { above: 0 },
  },
  {
    name: "MeterOutboxSumsDiffer",
    severity: "warning",
    summary: "Stripe's sums of {{ $labels.meter }} differ from ours for {{ $value }} customers",
    gauge: "meter_outbox_sums_different_customers",
    fold: "max",
    by: ["meter"],
    when: { above: 0 },
  },
  {
    name: "MeterOutboxPeriodUnreconciled",
    severity: "warning",
    summary:
      "A billing period ended {{ $value | humanizeDuration }} ago and is not equal to Stripe's sums yet",
    gauge: "meter_outbox_unreconciled_period_age_seconds",
    fold: "max",
    when: { above: day },
  },
  {
    name: "MeterOutboxReconcileReadsUsedUp",
    severity: "warning",
    summary: "Today's reads of Stripe's sums are used up: doubt and closing periods wait for tomorrow",
    gauge: "meter_outbox_reconcile_reads_left",
    fold: "min",
    when: { below: 1 },
    heldFor: 10 * minute,
  },
  {
    name: "MeterOutboxIdentifierLimitNear",
    severity: "critical",
    summary:
      "In {{ $value | humanizeDuration }} a meter event goes in doubt, and somebody must look it up at Stripe",
    gauge: "meter_outbox_identifier_seconds_left",
    fold: "min",
    when: { below: 4 * hour },
  },
  {
    name: "MeterOutboxRejectedGrowing",
    severity: "warning",
    summary: "Stripe refuses more meter events: {{ $value }} are rejected",
    gauge: "meter_outbox_meter_events",
    where: { state: "rejected" },
    fold: "sum",
    when: { growsWithin: 15 * minute, keepFiring: hour },
  },
  {
    name: "MeterOutboxUsageNearExpiry",
    severity: "warning",
    summary: "Undelivered usage is 30 days old; Stripe takes it for {{ $value | humanizeDuration }} more",
    gauge: "meter_outbox_expiry_seconds_left",
    fold: "min",
    by: ["of"],
    when: { below: 4 * day },
  },
  {
    name: "MeterOutboxUsageExpired",
    severity: "critical",
    summary: "Usage became too old for Stripe: {{ $value }} meter events are expired",
    gauge: "meter_outbox_meter_events",
    where: { state: "expired" },
    fold: "sum",
    when: { growsWithin: hour, keepFiring: day },
  },
  {
    name: "MeterOutboxWebhookBacklog",
    severity: "warning",
    summary: "A webhook event of Stripe's has waited {{ $value | humanizeDuration }}",
    gauge: "meter_outbox_webhook_oldest_pending_age_seconds",
    fold: "max",
    when: { above: 10 * minute },
    heldFor: minute,
  },
  {
    name: "MeterOutboxWebhookFailed",
    severity: "warning",
    summary: "{{ $value }} webhook events of Stripe's could not be handled",
    gauge: "meter_outbox_webhook_events",
    where: { state: "failed" },
    fold: "max",
    when: { above: 0 },
  },
  {
    name: "MeterOutboxSensorCountMissed",
    severity: "warning",
    summary: "Active sensors were last counted for the hour that began {{ $value | humanizeDuration }} ago",
    gauge: "meter_outbox_sensor_count_age_seconds",
    fold: "max",
    when: { above: 2 * hour + 300 },
  },
  {
    name: "MeterOutboxDefaultPartitionNotEmpty",
    severity: "warning",
    summary: "{{ $value }} rows of {{ $labels.table }} found no partition of their month",
    gauge: "meter_outbox_default_partition_rows",
    fold: "max",
    by: ["table"],
    when: { above: 0 },
  },
  {
    name: "MeterOutboxPartitionOverdue",
    severity: "warning",
    summary: "A month of {{ $labels.table }} should have been dropped {{ $value | humanizeDuration }} ago",
    gauge: "meter_outbox_partition_overdue_seconds",
    fold: "max",
    by: ["table"],
    when: { above: day },
  },
  {
    name: "MeterOutboxProcessUnseen",
    severity: "critical",
    summary: "No {{ $labels.kind }} has been seen for {{ $value | humanizeDuration }}",
    gauge: "meter_outbox_heartbeat_age_seconds",
    fold: "max",
    by: ["kind"],
    when: { above: 5 * minute },
  },
];

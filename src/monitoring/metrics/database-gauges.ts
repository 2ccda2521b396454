import { Counter, Gauge, type Registry } from "prom-client";

/** Every gauge that is read from the database. None has a label whose values customers choose. */
export const databaseGauges = {
  meter_outbox_unsealed_entries: {
    help: "Entries that no meter event carries yet; held: their organization has no Stripe customer",
    labels: ["meter", "held"],
  },
  meter_outbox_unsealed_quantity: { help: "Usage in those entries", labels: ["meter", "held"] },
  meter_outbox_unsealed_oldest_age_seconds: {
    help: "Age of the oldest entry that no meter event carries yet; 0: there is none",
    labels: ["held"],
  },
  meter_outbox_uninvoiced_quantity: {
    help: "Usage at times that no invoice of a linked customer has: unsealed, or sealed within seven days",
    labels: ["meter", "reason"],
  },
  meter_outbox_invoices_held: { help: "Draft invoices whose finalization the gate has moved on", labels: [] },
  meter_outbox_invoice_held_seconds: {
    help: "For how long the oldest of them has been held; 0: none is",
    labels: [],
  },
  meter_outbox_open_draft_seconds_left: {
    help: "Until Stripe finalizes the first draft whose books are not equal",
    labels: [],
  },
  meter_outbox_invoices_overdue: {
    help: "Draft invoices that a person has to finalize: Stripe could not a day after it was to, or does at no time while a later one is final",
    labels: [],
  },
  meter_outbox_billed_twice_organizations: {
    help: "Organizations whose usage of a meter is billed by two subscriptions, or two prices of one, for the same time, of periods that run or ended in the last 35 days",
    labels: [],
  },
  meter_outbox_not_billed_quantity: {
    help: "Usage of periods closed in the last 35 days, or ended without an invoice in the last 40, that no invoice has and no later period carries",
    labels: ["meter"],
  },
  meter_outbox_unbillable_organizations: {
    help: "Organizations that are linked to a customer, not archived, and whose status is not among BILLABLE_STATUSES",
    labels: [],
  },
  meter_outbox_meter_events: {
    help: "Meter events in the states that somebody or something still has to end",
    labels: ["state", "meter"],
  },
  meter_outbox_meter_events_quantity: { help: "Usage in those meter events", labels: ["state", "meter"] },
  meter_outbox_meter_events_oldest_age_seconds: {
    help: "Age of the oldest usage in those meter events; 0: there is none",
    labels: ["state", "meter"],
  },
  meter_outbox_shadow_mode: {
    help: "1 while the workers send nothing on purpose (DELIVERY_TRANSPORT=none); pending meter events have no age then",
    labels: [],
  },
  meter_outbox_identifier_seconds_left: {
    help: "Until the first pending meter event goes in doubt, 23 hours after its first attempt of unknown outcome",
    labels: [],
  },
  meter_outbox_expiry_seconds_left: {
    help: "Until the oldest undelivered usage is 34 days old and cannot be sent to Stripe any more",
    labels: ["of"],
  },
  meter_outbox_delivery_paused: {
    help: "1 while sending is paused, by scope and by whom: breaker or operator",
    labels: ["scope", "by"],
  },
  meter_outbox_delivery_paused_seconds: {
    help: "For how long sending has been paused; 0: it is not",
    labels: ["scope", "by"],
  },
  meter_outbox_webhook_events: {
    help: "Webhook events of Stripe's in the inbox that had no effect yet",
    labels: ["state"],
  },
  meter_outbox_webhook_oldest_pending_age_seconds: {
    help: "Age of the oldest pending webhook event; 0: there is none",
    labels: [],
  },
  meter_outbox_sensor_count_age_seconds: {
    help: "Since the start of the latest hour whose active sensors were counted, of an organization that is billable now",
    labels: [],
  },
  meter_outbox_sums_different_customers: {
    help: "Customers of whom Stripe's sum was last seen to differ from ours, in windows of the last 40 days",
    labels: ["meter"],
  },
  meter_outbox_unreconciled_period_age_seconds: {
    help: "Since the oldest billing period of the last 40 days ended that is not equal to Stripe's sums; 0: there is none",
    labels: [],
  },
  meter_outbox_reconcile_reads: {
    help: "Reads of Stripe's sums today, UTC, by all workers together",
    labels: [],
  },
  meter_outbox_reconcile_reads_left: {
    help: "Reads that doubt and closing periods may still make today; routine stops earlier",
    labels: [],
  },
  meter_outbox_reconcile_put_off: {
    help: "Customers whose routine comparison today's reads did not suffice for",
    labels: [],
  },
  meter_outbox_doubts: {
    help: "Meter events that wait for evidence: in_doubt, or covered by an error report that does not name them",
    labels: ["kind"],
  },
  meter_outbox_default_partition_rows: {
    help: "Rows that found no partition of their month, 1000 at most",
    labels: ["table"],
  },
  meter_outbox_partition_overdue_seconds: {
    help: "For how long the oldest month of a table should have been dropped already; 0: none is past its days",
    labels: ["table"],
  },
  meter_outbox_heartbeat_age_seconds: {
    help: "Since any process of this kind, api or worker, last wrote its heartbeat; missing when none ever did",
    labels: ["kind"],
  },
  meter_outbox_figures_age_seconds: {
    help: "Since the latest minute ended whose figures a worker wrote for the console; 0 while no worker runs",
    labels: [],
  },
} as const satisfies Record<string, { help: string; labels: readonly string[] }>;

export type GaugeName = keyof typeof databaseGauges;
export type Sample = { name: GaugeName; labels?: Record<string, string>; value: number };
/**
 * The result of the reads. `isUp`: the database answered. Gauges of reads that failed, or have not ended yet, are
 * missing.
 */
export type Measurement = { isUp: boolean; samples: Sample[] };

/**
 * Registers the gauges, and returns a function that sets them all: a gauge that was not measured is left out of the
 * answer.
 */
export function showMeasurements(registry: Registry): (measurement: Measurement) => void {
  const registers = [registry];
  const isUp = new Gauge({
    name: "meter_outbox_database_up",
    help: "Whether the database answered the latest measurement",
    registers,
  });
  const gauges = new Map(
    Object.entries(databaseGauges).map(([name, { help, labels }]) => [
      name,
      { gauge: new Gauge({ name, help, labelNames: labels, registers }), isLabelled: labels.length > 0 },
    ]),
  );
  return (measurement) => {
    isUp.set(measurement.isUp ? 1 : 0);
    for (const { gauge, isLabelled } of gauges.values()) {
      // Without labels there is one value, which a reset would make 0: no age, nothing left.
      if (isLabelled) gauge.reset();
      else gauge.remove();
    }
    for (const { name, labels = {}, value } of measurement.samples)
      gauges.get(name)?.gauge.set(labels, value);
  };
}

const failedReads = "meter_outbox_database_read_failures_total";

/** Counts reads that failed, those for metrics and those for alerts alike. */
export function countFailedReads(registry: Registry): (read: string) => void {
  const known = registry.getSingleMetric(failedReads);
  const failures = known instanceof Counter ? known : createFailures(registry);
  return (read) => failures.inc({ read });
}

function createFailures(registry: Registry): Counter<"read"> {
  return new Counter({
    name: failedReads,
    help: "Reads of the database for these metrics or alerts that failed or took too long, by read",
    labelNames: ["read"],
    registers: [registry],
  });
}

import type { AlertRule } from "./alert-rule.ts";

const [minute, hour] = [60, 3_600] as const;

/** What invoices lack, or bill twice, and drafts that are not finalized as they should be. */
export const invoiceRules: readonly AlertRule[] = [
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
    name: "MeterOutboxInvoiceOverdue",
    severity: "warning",
    summary: "{{ $value }} draft invoices wait for a person to finalize them",
    gauge: "meter_outbox_invoices_overdue",
    fold: "max",
    when: { above: 0 },
  },
  {
    name: "MeterOutboxUsageBilledTwice",
    severity: "warning",
    summary: "Two subscriptions or prices bill the same usage of {{ $value }} organizations",
    gauge: "meter_outbox_billed_twice_organizations",
    fold: "max",
    when: { above: 0 },
  },
  {
    name: "MeterOutboxUsageNotBilled",
    severity: "warning",
    summary: "{{ $value }} of {{ $labels.meter }} is on no invoice",
    gauge: "meter_outbox_not_billed_quantity",
    fold: "max",
    by: ["meter"],
    when: { above: 0 },
    heldFor: 5 * minute,
  },
];

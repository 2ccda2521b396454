import { amountOf, lineObject, type InvoiceLine } from "./invoice-line.ts";

/** An invoice of a subscription. Its amounts are added up, and nothing is ever charged. */
export type Invoice = {
  id: string;
  customer: string;
  subscription: string;
  subscriptionMetadata: Record<string, string>;
  livemode: boolean;
  metadata: Record<string, string>;
  billingReason: "subscription_create" | "subscription_cycle";
  status: "draft" | "open" | "paid";
  createdAt: number;
  /** The event `invoice.created`: while a receiver has not taken it, Stripe waits with the finalization. */
  createdEventId: string | undefined;
  periodStart: number;
  periodEnd: number;
  /** The usage that its metered prices count, unix seconds, by the events' timestamps: [from, until). */
  usageFrom: number;
  usageUntil: number;
  lines: InvoiceLine[];
  /** Whether Stripe finalizes and collects it by itself. */
  autoAdvance: boolean;
  finalizesAt: number | null;
  /** Whether `finalizesAt` was set by a request; otherwise it follows from the account's grace period. */
  isFinalizationSet: boolean;
  finalizedAt: number | null;
  paidAt: number | null;
  attempts: number;
};

const embeddedLinesMax = 10;

/**
 * An invoice the way API 2026-10-28.endive shows it: its subscription is `parent.subscription_details.subscription`
 * (certain). Fields that say nothing about a subscription are left out.
 */
export function invoiceObject(invoice: Invoice) {
  const total = invoice.lines.reduce((sum, line) => sum + amountOf(line), 0);
  return {
    id: invoice.id,
    object: "invoice",
    amount_due: total,
    amount_paid: invoice.status === "paid" ? total : 0,
    amount_remaining: invoice.status === "paid" ? 0 : total,
    attempt_count: invoice.attempts,
    attempted: invoice.attempts > 0,
    auto_advance: invoice.status !== "paid" && invoice.autoAdvance,
    automatically_finalizes_at: invoice.finalizesAt,
    billing_reason: invoice.billingReason,
    collection_method: "charge_automatically",
    created: invoice.createdAt,
    currency: invoice.lines[0]?.price.currency ?? "usd",
    customer: invoice.customer,
    lines: {
      object: "list",
      data: lineObjects(invoice).slice(0, embeddedLinesMax),
      has_more: invoice.lines.length > embeddedLinesMax,
      url: `/v1/invoices/${invoice.id}/lines`,
    },
    livemode: invoice.livemode,
    metadata: invoice.metadata,
    parent: {
      type: "subscription_details",
      quote_details: null,
      subscription_details: {
        metadata: invoice.subscriptionMetadata,
        subscription: invoice.subscription,
      },
    },
    period_end: invoice.periodEnd,
    period_start: invoice.periodStart,
    status: invoice.status,
    status_transitions: {
      finalized_at: invoice.finalizedAt,
      marked_uncollectible_at: null,
      paid_at: invoice.paidAt,
      voided_at: null,
    },
    subtotal: total,
    total,
  };
}

/** Every line of an invoice, as its list shows them. */
export function lineObjects(invoice: Invoice) {
  return invoice.lines.map((line) => lineObject(line, invoice));
}

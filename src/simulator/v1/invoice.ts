/** An invoice without lines or amounts: nothing is ever charged here. */
export type Invoice = {
  id: string;
  customer: string;
  subscription: string;
  subscriptionMetadata: Record<string, string>;
  livemode: boolean;
  billingReason: "subscription_create" | "subscription_cycle";
  status: "draft" | "open" | "paid";
  createdAt: number;
  periodStart: number;
  periodEnd: number;
  finalizedAt: number | null;
  paidAt: number | null;
  attempts: number;
};

/**
 * An invoice the way API 2026-10-28.endive shows it: its subscription is `parent.subscription_details.subscription`
 * (certain). Fields that say nothing about a subscription are left out.
 */
export function invoiceObject(invoice: Invoice) {
  return {
    id: invoice.id,
    object: "invoice",
    amount_due: 0,
    amount_paid: 0,
    attempt_count: invoice.attempts,
    attempted: invoice.attempts > 0,
    auto_advance: invoice.status !== "paid",
    billing_reason: invoice.billingReason,
    collection_method: "charge_automatically",
    created: invoice.createdAt,
    currency: "usd",
    customer: invoice.customer,
    lines: { object: "list", data: [], has_more: false, url: `/v1/invoices/${invoice.id}/lines` },
    livemode: invoice.livemode,
    metadata: {},
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
    total: 0,
  };
}

/**
 * The types of snapshot events that have an effect here: a webhook endpoint has to send them, and they are read from
 * Stripe's list of events. Stripe takes 20 in one list at most.
 */
export const usedEventTypes: readonly string[] = [
  "checkout.session.completed",
  "checkout.session.async_payment_succeeded",
  "customer.subscription.created",
  "customer.subscription.updated",
  "customer.subscription.deleted",
  "customer.subscription.paused",
  "customer.subscription.resumed",
  "customer.deleted",
  "invoice.created",
  "invoice.finalized",
  "invoice.paid",
  "invoice.payment_failed",
  "invoice.voided",
  "invoice.marked_uncollectible",
  "invoice.deleted",
  "billing.meter.deactivated",
  "billing.meter.reactivated",
];

/** The types of thin events that have an effect here: an event destination of its own sends them. */
export const usedThinEventTypes: readonly string[] = [
  "v1.billing.meter.error_report_triggered",
  "v1.billing.meter.no_meter_found",
];

import { sql } from "kysely";
import { isEnded } from "../../billing/choose-subscription.ts";
import { endsPeriod } from "../../billing/invoice-usage.ts";
import type { Db } from "../../database/db.ts";
import type { SubscriptionRead } from "../../stripe/read-subscriptions.ts";
import type { StripeReads } from "../../stripe/reads.ts";
import type { BillingPeriod } from "./billing-periods.ts";
import { listOthersPaidFor } from "./others-paid-for.ts";
import type { KnownInvoices } from "./refresh-invoices.ts";

type InvoiceDeps = {
  db: Db;
  reads: Pick<StripeReads, "readSubscriptions">;
  /** Stripe's time. */
  stripeNowMs: () => number;
};

/** Stripe draws up an invoice when its period ends, and each look asks Stripe for one of which nothing told. */
const awaitedMs = 24 * 3_600_000;

/** Whether a period has an invoice, or is told of by none; Stripe may make one yet; or it makes none any more. */
export type InvoiceOutlook = "known" | "awaited" | "none";

/**
 * What invoice is to be expected of a subscription's period. A day after its end it may be none: Stripe makes none for a
 * subscription that is cancelled at once, unless it is asked to. One that is void or deleted was made, and ended by a person. The
 * last question is Stripe's to answer: a period ends early here where a younger subscription is followed, while its own runs on
 * and is invoiced later.
 */
export async function expectInvoice(
  deps: InvoiceDeps,
  period: BillingPeriod,
  { invoices, areAllRead }: KnownInvoices,
): Promise<InvoiceOutlook> {
  const { subscriptionId, closedAt, end } = period;
  if (subscriptionId === null || closedAt !== null || invoices.some(endsPeriod)) return "known";
  if (!areAllRead || deps.stripeNowMs() - end.getTime() < awaitedMs) return "awaited";
  if (await hasInvoiceBesideAnother(deps.db, period, subscriptionId)) return "known";
  const subscriptions = (await deps.reads.readSubscriptions(period.customer)) ?? [];
  const isRunning = subscriptions.some(
    (one) => one.id === subscriptionId && runsIn(one, period, deps.stripeNowMs()),
  );
  return isRunning ? "awaited" : "none";
}

/** Whether an invoice of the same subscription's same time stands beside another organization that the customer paid for. */
async function hasInvoiceBesideAnother(
  db: Db,
  period: BillingPeriod,
  subscriptionId: string,
): Promise<boolean> {
  const others = await listOthersPaidFor(db, period);
  if (others.length === 0) return false;
  const found = await sql<{ billingReason: string | null }>`
    select i.billing_reason as "billingReason"
    from metering.billing_invoices i
    join metering.billing_periods p on p.organization_id = i.organization_id and p.period_start = i.period_start
    where i.organization_id = any(${others}::uuid[]) and i.stripe_customer_id = ${period.customer}
      and i.stripe_subscription_id = ${subscriptionId}
      and p.period_start < ${period.end} and p.period_end > ${period.start}
  `.execute(db);
  return found.rows.some(endsPeriod);
}

/**
 * Whether the present period of a subscription's meters is this one, and did not end a day ago. While it is paused, its usage may
 * wait as an item of the invoice that is made when it is resumed, Stripe's default (`invoicing_behavior`).
 */
function runsIn({ status, items }: SubscriptionRead, { start }: BillingPeriod, nowMs: number): boolean {
  return (
    !isEnded(status) &&
    items.some(
      ({ meterId, periodStart, periodEnd }) =>
        meterId !== null &&
        periodStart <= start &&
        (status === "paused" || nowMs - periodEnd.getTime() < awaitedMs),
    )
  );
}

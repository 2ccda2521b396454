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
/** Stripe takes a while where very many periods end together. */
const madeWithinMs = 6 * 3_600_000;

/** Whether a period has an invoice, or is told of by none; Stripe may make one yet; or it makes none any more. */
export type InvoiceOutlook = "known" | "awaited" | "none";

/**
 * What invoice is to be expected of a subscription's period. A day after its end it may be none: Stripe makes none for a
 * subscription that is cancelled at once, unless it is asked to. One that is void or deleted was made, and ended by a person. One
 * that was made at the period's end and stands beside an earlier one bills both, as after a pause. The last question is Stripe's to
 * answer: a period ends early here where a younger subscription is followed, while its own runs on and is invoiced later.
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
  const later = await listMadeSince(deps.db, period, subscriptionId);
  if (later.some((madeAt) => madeAt.getTime() - end.getTime() < madeWithinMs)) return "known";
  if (later.length > 0) return "none";
  const subscriptions = (await deps.reads.readSubscriptions(period.customer)) ?? [];
  const isRunning = subscriptions.some((one) => one.id === subscriptionId && runs(one, deps.stripeNowMs()));
  return isRunning ? "awaited" : "none";
}

/** When invoices of the subscription were made since the period's end, which stand beside other periods, the earliest first. */
async function listMadeSince(
  db: Db,
  { organizationId, end }: BillingPeriod,
  subscriptionId: string,
): Promise<Date[]> {
  const made = await sql<{ at: Date; billingReason: string | null }>`
    select created_at as at, billing_reason as "billingReason"
    from metering.billing_invoices
    where organization_id = ${organizationId} and stripe_subscription_id = ${subscriptionId}
      and created_at >= ${end}::timestamptz - interval '1 minute'
    order by created_at
  `.execute(db);
  return made.rows.filter(endsPeriod).map(({ at }) => at);
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
 * Whether a subscription is paused, or the present period of its meters did not end a day ago. Usage from before a pause may wait as an
 * item of the next invoice, Stripe's default (`invoicing_behavior`): that is made when it is resumed, or, with
 * `billing_cycle_anchor=unchanged`, at the end of the period after that.
 */
function runs({ status, items }: SubscriptionRead, nowMs: number): boolean {
  return (
    !isEnded(status) &&
    items.some(
      ({ meterId, periodEnd }) =>
        meterId !== null && (status === "paused" || nowMs - periodEnd.getTime() < awaitedMs),
    )
  );
}

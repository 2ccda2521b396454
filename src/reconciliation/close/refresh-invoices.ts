import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import { endsPeriod } from "../../billing/invoice-usage.ts";
import { wantCustomerRead } from "../../billing/read-customer-job.ts";
import type { InvoiceRead } from "../../stripe/invoices.ts";
import { askedAtMs, remember } from "../remembered.ts";
import { type BillingPeriod, isBilled, listInvoices, type PeriodInvoice } from "./billing-periods.ts";
import type { GateDeps } from "./gate.ts";
import { readAgain } from "./read-again.ts";

const minuteMs = 60_000;
/** Stripe tells of an invoice by a webhook; who waits for so long asks. */
const awaitedMs = 10 * minuteMs;
/** A person may have moved a draft at Stripe, which no event tells that we use. */
const draftReadEveryMs = 60 * minuteMs;
/** A draft's time has passed, and nothing told that it is final. */
const overdueMs = minuteMs;
/** Stripe's clock, as we know it, and the seconds that it tells. */
const clocksApartMs = minuteMs;
const listedMax = 1_000;
/** Two requests each. What one look does not read, the next one does. */
const readEachLookMax = 20;
/** What was of others may become ours, as when lines are added to a draft. */
const othersReadEveryMs = 60 * minuteMs;

/** A period's invoices. `areAllRead`: none of the customer's invoices is left that may be another one of it. */
export type KnownInvoices = { invoices: PeriodInvoice[]; areAllRead: boolean };

/**
 * Brings a period's invoices up to date where webhooks may be missing, and returns them: an invoice of which no webhook told
 * is looked for among the customer's, each of which is read once an hour until it is final, and a draft whose time has passed
 * is read again. Where one was missing, so is the webhook about the period that has begun since: the customer's subscriptions
 * are read, too.
 */
export async function refreshInvoices(
  deps: GateDeps & { boss: PgBoss },
  period: BillingPeriod,
): Promise<KnownInvoices> {
  const known = await listInvoices(deps.db, period);
  const isThere = known.some((one) => mayBeTheLast(one) && (one.status === "draft" || isBilled(one)));
  const { missing, areAllRead } = isThere ? nothingMissing : await findMissing(deps, period);
  for (const { id } of missing) {
    await readAgain(deps, period, id);
    remember(deps.askedInVain, id, deps.stripeNowMs());
  }
  if (missing.length > 0) await wantReadSince(deps, period, missing);
  const stale = known.filter((one) => isStale(deps, one));
  for (const { id } of stale) await readAgain(deps, period, id);
  const invoices = missing.length + stale.length === 0 ? known : await listInvoices(deps.db, period);
  return { invoices, areAllRead };
}

/**
 * An invoice of a threshold, or one that was made at once when a price changed (`always_invoice`), is no sign that the one at the end of
 * the subscription's period was told of.
 */
function mayBeTheLast(invoice: PeriodInvoice): boolean {
  return endsPeriod(invoice) && invoice.billingReason !== "subscription_update";
}

type Missing = { missing: InvoiceRead[]; areAllRead: boolean };

const nothingMissing: Missing = { missing: [], areAllRead: true };

/**
 * The customer's invoices made since the period's beginning, as a subscription that is cancelled at once is invoiced before
 * its period's end, but for the invoice of the period before. Invoices that were never read come first, and of them the oldest.
 */
async function findMissing(deps: GateDeps, { customer, start, end }: BillingPeriod): Promise<Missing> {
  if (deps.stripeNowMs() - end.getTime() < awaitedMs) return nothingMissing;
  const invoices = await deps.reads.invoices.listSince(customer, start, listedMax);
  const readMs = ({ id }: InvoiceRead) => askedAtMs(deps.askedInVain, id) ?? 0;
  const missing = invoices
    .toReversed()
    .filter((one) => one.billingReason !== "subscription_create" && one.periodEnd > start)
    .filter((one) => mayBeMissing(deps, one))
    .toSorted((a, b) => readMs(a) - readMs(b));
  const unread = missing.filter((one) => readMs(one) === 0);
  return { missing: missing.slice(0, readEachLookMax), areAllRead: unread.length <= readEachLookMax };
}

/** No line is added to an invoice that is final: one that was of others then stays so. */
function mayBeMissing({ askedInVain, stripeNowMs }: GateDeps, { id, finalizedAt }: InvoiceRead): boolean {
  const readMs = askedAtMs(askedInVain, id);
  if (readMs === undefined) return true;
  if (finalizedAt === null) return stripeNowMs() - readMs >= othersReadEveryMs;
  return readMs < finalizedAt.getTime() + clocksApartMs;
}

/** Wants the customer to be read, unless it was since the invoices were made, or is to be. */
async function wantReadSince(
  { db, boss }: GateDeps & { boss: PgBoss },
  { organizationId, customer }: BillingPeriod,
  invoices: readonly InvoiceRead[],
): Promise<void> {
  const madeAt = new Date(Math.max(...invoices.map(({ createdAt }) => createdAt.getTime())));
  await db.transaction().execute(async (trx) => {
    const unread = await sql`
      select from metering.subscriptions
      where organization_id = ${organizationId} and stripe_customer_id = ${customer} and read_wanted_at is null
        and (read_began_at is null or read_began_at < ${madeAt})
      for update
    `.execute(trx);
    if (unread.rows.length > 0) await wantCustomerRead(trx, boss, organizationId);
  });
}

function isStale({ stripeNowMs }: GateDeps, { status, finalizesAt, readBeganAt }: PeriodInvoice): boolean {
  if (status !== "draft") return false;
  const readMs = Date.now() - readBeganAt.getTime();
  const isOverdue = finalizesAt !== null && stripeNowMs() - finalizesAt.getTime() > overdueMs;
  return readMs > draftReadEveryMs || (isOverdue && readMs > overdueMs);
}

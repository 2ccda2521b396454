import { endsPeriod } from "../../billing/invoice-usage.ts";
import type { PeriodKey } from "../../billing/make-period.ts";
import type { PgBoss } from "pg-boss";
import { readClock } from "../../database/clock.ts";
import { hasUnsealedEntries } from "../../outbox/period-entries.ts";
import { describeRefusal } from "../../stripe/describe-stripe-error.ts";
import type { StripeReads } from "../../stripe/reads.ts";
import type { LookDeps } from "../look.ts";
import {
  type BillingPeriod,
  findPeriod,
  isBilled,
  listDuePeriods,
  noteLook,
  type PeriodInvoice,
  type Quantities,
  takePeriod,
} from "./billing-periods.ts";
import { compareBooks } from "./compare-books.ts";
import { expectInvoice, type InvoiceOutlook } from "./expect-invoice.ts";
import { type GateDeps, guardDraft } from "./gate.ts";
import { type Books, isDraftDue } from "./gate-rules.ts";
import { carryForward, type LateUsageMode, readNotBilled, sameQuantities } from "./late-usage.ts";
import { readIsTrial } from "./is-trial.ts";
import { nextLook } from "./next-look.ts";
import { hasOpenEvents } from "./period-events.ts";
import { listPricesGone } from "./prices-gone.ts";
import { type KnownInvoices, refreshInvoices } from "./refresh-invoices.ts";

/** The operator's settings for the close of periods. */
export type CloseSettings = { gate: GateDeps["gate"]; lateUsage: LateUsageMode };

export type CloseDeps = GateDeps &
  LookDeps &
  CloseSettings & { boss: PgBoss; reads: Pick<StripeReads, "readSubscriptions"> };

/** Periods of one run. Each is taken when its turn comes, so that other workers get some. */
const periodsMax = 2_000;
const atOnce = 20;
/** A look takes a few statements and reads; a look that its worker did not end is due again after this long. */
const leaseSeconds = 300;
const refusedWaitMs = 3_600_000;

/**
 * Looks at every billing period that is due: compares it with Stripe's sums, guards its drafts, and reports or carries
 * forward late usage. A period that fails holds up no other; the failures are thrown together at the end. What Stripe
 * refuses to tell of one customer is no failure: that period is known not to be compared, and looked at again later.
 */
export async function closePeriods(deps: CloseDeps): Promise<void> {
  const { due, faults } = await listDuePeriods(deps.db, { limit: periodsMax });
  for (let done = 0; done < due.length; done += atOnce) {
    const next = due.slice(done, done + atOnce);
    await Promise.all(next.map((period) => lookOrTell(deps, period).catch((error) => faults.push(error))));
  }
  if (faults.length > 0) {
    throw new AggregateError(faults, `billing periods could not be looked at, for ${faults.length} faults`);
  }
}

async function lookOrTell(deps: CloseDeps, due: PeriodKey): Promise<void> {
  const period = await takePeriod(deps.db, due, { leaseSeconds });
  if (period === undefined) return;
  try {
    await lookAtPeriod(deps, period);
  } catch (error) {
    const reason = describeRefusal(error);
    if (reason === undefined) throw error;
    await noteRefusal(deps, period, reason);
  }
}

async function noteRefusal(deps: CloseDeps, period: BillingPeriod, reason: string): Promise<void> {
  const { db } = deps;
  const { end, closedAt, notBilled } = period;
  tellRefusal(deps, period, reason);
  const now = await readClock(db);
  const usual = nextLook({
    now,
    end,
    hasInvoice: false,
    hasDraft: false,
    isGivenUp: false,
    isDraftDue: false,
    isClosed: closedAt !== null,
    books: "unknown",
    isLacking: notBilled !== null,
    isNewlyLacking: false,
    isAwaited: false,
  });
  const nextLookAt = afterRefusal(usual, now);
  await noteLook(db, period, { books: "unknown", notBilled, isTrial: period.isTrial, nextLookAt });
}

function tellRefusal({ log }: CloseDeps, period: BillingPeriod, reason: string): void {
  const fields = { organization_id: period.organizationId, stripe_customer_id: period.customer };
  log.warn({
    event: "reconcile_read_refused",
    ...fields,
    period_start: period.start.toISOString(),
    reason,
  });
}

function afterRefusal(usual: Date, now: Date): Date {
  return new Date(Math.max(usual.getTime(), now.getTime() + refusedWaitMs));
}

/** One look at a period. May be repeated at any time. */
async function lookAtPeriod(deps: CloseDeps, taken: BillingPeriod): Promise<void> {
  const { db } = deps;
  const known = await refreshInvoices(deps, taken);
  const { invoices } = known;
  const period = (await findPeriod(db, taken.organizationId, taken.start)) ?? taken;
  const { books, isRefused } = await readBooks(deps, period, invoices);
  const drafts = invoices.filter(({ status }) => status === "draft");
  const isShadow = deps.isShadow === true;
  if (deps.gate.mode !== "off" && !isShadow) {
    for (const draft of drafts) await guardDraft(deps, { period, draft, books });
  }
  const { notBilled, isTrial, outlook } = await readOwed(deps, period, { books, known });
  tell(deps, period, { books, notBilled });
  const now = await readClock(db);
  const hasInvoice = drafts.length > 0 || invoices.some(isBilled);
  const usual = nextLook({
    now,
    end: period.end,
    hasInvoice,
    hasDraft: drafts.length > 0,
    isGivenUp: !hasInvoice && invoices.some(endsPeriod),
    isDraftDue: drafts.some((draft) => isDraftDue(draft, new Date(deps.stripeNowMs()))),
    isClosed: period.closedAt !== null,
    books,
    isLacking: notBilled !== null,
    isNewlyLacking: notBilled !== null && period.notBilled === null,
    isAwaited: outlook === "awaited",
  });
  const nextLookAt = isRefused ? afterRefusal(usual, now) : usual;
  await noteLook(db, period, { books, notBilled, isTrial, nextLookAt });
}

/** The usage that no invoice has and one should have, after what may be carried forward was. */
async function readOwed(
  deps: CloseDeps,
  period: BillingPeriod,
  { books, known }: { books: Books; known: KnownInvoices },
): Promise<Pick<BillingPeriod, "notBilled" | "isTrial"> & { outlook: InvoiceOutlook }> {
  if (period.isTrial) return { notBilled: null, isTrial: true, outlook: "known" };
  const outlook = await expectInvoice(deps, period, known);
  const asked = {
    hasNoInvoice: outlook === "none",
    pricesGone: await listPricesGone(deps, period, known.invoices),
  };
  const lacking = await readNotBilled(deps.db, period, asked);
  // What a customer used for nothing must not be carried into a period that it pays for. What the look before told is of none.
  const isNew = lacking !== null && !sameQuantities(lacking, period.notBilled);
  if (isNew && (await readIsTrial(deps, period))) return { notBilled: null, isTrial: true, outlook };
  const isCarried = deps.isShadow !== true && (await carryForward(deps, period, books));
  const notBilled = isCarried ? await readNotBilled(deps.db, period, asked) : lacking;
  return { notBilled, isTrial: false, outlook };
}

/**
 * Usage that is on its way needs no read at Stripe to tell that the books are not equal. A sum that Stripe refuses to tell, as
 * perhaps of a deleted customer, leaves them unknown, and what the invoices lack is told all the same.
 */
async function readBooks(
  deps: CloseDeps,
  period: BillingPeriod,
  invoices: readonly PeriodInvoice[],
): Promise<{ books: Books; isRefused: boolean }> {
  const isOpen =
    (await hasUnsealedEntries(deps.db, period)) ||
    (await hasOpenEvents(deps.db, period, { isShadow: deps.isShadow === true }));
  if (isOpen) return { books: "open", isRefused: false };
  try {
    return { books: await compareBooks(deps, period, invoices), isRefused: false };
  } catch (error) {
    const reason = describeRefusal(error);
    if (reason === undefined) throw error;
    tellRefusal(deps, period, reason);
    return { books: "unknown", isRefused: true };
  }
}

/** The changes since the last look. */
function tell(
  { log }: CloseDeps,
  period: BillingPeriod,
  found: { books: Books; notBilled: Quantities | null },
): void {
  const fields = { organization_id: period.organizationId, period_start: period.start.toISOString() };
  if (found.books !== period.books) {
    const { books } = found;
    if (books === "different") log.warn({ event: "period_compared", ...fields, books });
    else log.info({ event: "period_compared", ...fields, books });
  }
  if (!sameQuantities(found.notBilled, period.notBilled) && found.notBilled !== null) {
    log.warn({ event: "usage_not_billed", ...fields, quantities: found.notBilled });
  }
}

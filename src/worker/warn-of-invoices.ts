import type { Db } from "../database/db.ts";
import type { Log } from "../log.ts";
import { type BilledTwice, listBilledTwice } from "../monitoring/billed-twice.ts";
import { listOverdueDrafts, type OverdueDraft } from "../monitoring/overdue-drafts.ts";

/** Of each kind in one look; the metrics count all. */
const listedMax = 1_000;

/**
 * Logs a warning for usage that two subscriptions or prices bill, and for drafts that a person has to finalize: each once, until it
 * is over. `told`: what the look before found; the result is the same for the next one.
 */
export async function warnOfInvoices(
  { db, log }: { db: Db; log: Log },
  told: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const twice = await listBilledTwice(db, { limit: listedMax });
  const overdue = await listOverdueDrafts(db, { limit: listedMax });
  for (const one of twice) if (!told.has(JSON.stringify(one))) tellTwice(log, one);
  for (const one of overdue) if (!told.has(JSON.stringify(one))) tellOverdue(log, one);
  return new Set([...twice, ...overdue].map((one) => JSON.stringify(one)));
}

function tellTwice(log: Log, { organizationId, customer, meter, subscriptionIds }: BilledTwice): void {
  log.warn({
    event: "usage_billed_twice",
    organization_id: organizationId,
    stripe_customer_id: customer,
    meter,
    stripe_subscription_ids: subscriptionIds,
  });
}

function tellOverdue(log: Log, { organizationId, invoiceId, periodStart, finalizesAt }: OverdueDraft): void {
  log.warn({
    event: "invoice_overdue",
    organization_id: organizationId,
    invoice_id: invoiceId,
    period_start: periodStart.toISOString(),
    finalizes_at: finalizesAt?.toISOString() ?? null,
  });
}

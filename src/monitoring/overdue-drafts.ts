import { sql } from "kysely";
import { billedStatuses } from "../billing/invoice-usage.ts";
import type { Db } from "../database/db.ts";

/**
 * Drafts `i` that a person has to finalize: those that Stripe was to finalize a day ago and could not (`last_finalization_error`),
 * and those that it finalizes at no time, as of a pause of the collection (`keep_as_draft`) or of an unpaid subscription, once an
 * invoice of a later period of the subscription is final.
 */
export const isOverdueDraft = sql<boolean>`(
  i.status = 'draft' and (
    i.finalizes_at < now() - interval '1 day'
    or i.finalizes_at is null and exists (
      select
      from metering.billing_invoices l
      where l.organization_id = i.organization_id and l.stripe_subscription_id = i.stripe_subscription_id
        and l.period_start > i.period_start and l.status = any(${billedStatuses}::text[])
    )
  )
)`;

export type OverdueDraft = {
  organizationId: string;
  invoiceId: string;
  periodStart: Date;
  /** Null: Stripe finalizes it at no time. */
  finalizesAt: Date | null;
};

/** The drafts that are overdue, the oldest first. */
export async function listOverdueDrafts(db: Db, { limit }: { limit: number }): Promise<OverdueDraft[]> {
  const listed = await sql<OverdueDraft>`
    select
      i.organization_id as "organizationId", i.invoice_id as "invoiceId", i.period_start as "periodStart",
      i.finalizes_at as "finalizesAt"
    from metering.billing_invoices i
    where ${isOverdueDraft}
    order by i.finalizes_at
    limit ${limit}
  `.execute(db);
  return listed.rows;
}

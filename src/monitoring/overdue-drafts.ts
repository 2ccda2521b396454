import { sql } from "kysely";
import type { Db } from "../database/db.ts";

/** Drafts `i` that Stripe was to finalize a day ago: it could not (`last_finalization_error`), and a person has to mend that. */
export const isOverdueDraft = sql<boolean>`(i.status = 'draft' and i.finalizes_at < now() - interval '1 day')`;

export type OverdueDraft = {
  organizationId: string;
  invoiceId: string;
  periodStart: Date;
  finalizesAt: Date;
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

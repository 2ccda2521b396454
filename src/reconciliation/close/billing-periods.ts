import { sql } from "kysely";
import { billedStatuses } from "../../billing/invoice-usage.ts";
import type { PeriodKey } from "../../billing/make-period.ts";
import { namesOrganizations } from "../../database/by-shard.ts";
import type { Db } from "../../database/db.ts";
import { inTransaction } from "../../database/in-transaction.ts";
import { onEachShardGroup } from "../../database/shard-groups.ts";
import type { MeterName } from "../../usage/meters.ts";
import type { Books, GateStep } from "./gate-rules.ts";

/** A billing period of an organization's customer; half-open. */
export type BillingPeriod = {
  organizationId: string;
  start: Date;
  end: Date;
  customer: string;
  subscriptionId: string | null;
  /** When one of its invoices was first known to be final. */
  closedAt: Date | null;
  /** The result of the last look. */
  books: Books | null;
  /** Usage that its final invoices lack, by meter. */
  notBilled: Quantities | null;
  /** Stripe told that the whole period was a trial: what its invoices lack is free. */
  isTrial: boolean;
};

export type Quantities = Partial<Record<MeterName, string>>;

/** An invoice of a period, as Stripe last told. */
export type PeriodInvoice = {
  id: string;
  subscriptionId: string | null;
  billingReason: string | null;
  status: string;
  invoiced: Quantities;
  createdAt: Date;
  finalizesAt: Date | null;
  heldSince: Date | null;
  heldUntil: Date | null;
  /** What the gate last said of the draft. */
  gateSaid: GateStep | null;
  finalizedAt: Date | null;
  paidAt: Date | null;
  readBeganAt: Date;
};

/** Of a billing period `p`. */
export const periodColumns = sql`
  p.organization_id as "organizationId", p.period_start as start, p.period_end as "end",
  p.stripe_customer_id as customer, p.stripe_subscription_id as "subscriptionId", p.closed_at as "closedAt",
  p.books, p.not_billed as "notBilled", p.is_trial as "isTrial"
`;

const isDue = sql`coalesce(p.next_look_at, p.period_end) <= now()`;

/**
 * Periods whose next look is due, the longest due first; on a cluster those of the nodes that answer. `faults`: why others
 * are left out.
 */
export async function listDuePeriods(
  db: Db,
  { limit }: { limit: number },
): Promise<{ due: PeriodKey[]; faults: unknown[] }> {
  const { done, errors } = await onEachShardGroup(db, {}, async (shard) => {
    const due = await sql<PeriodKey & { at: Date }>`
      select p.organization_id as "organizationId", p.period_start as start, coalesce(p.next_look_at, p.period_end) as at
      from metering.billing_periods p
      where ${isDue} ${namesOrganizations(shard)("p")}
      order by coalesce(p.next_look_at, p.period_end)
      limit ${limit}
    `.execute(db);
    return due.rows;
  });
  const due = done.flat().toSorted((one, other) => one.at.getTime() - other.at.getTime());
  return { due: due.slice(0, limit), faults: errors };
}

/**
 * Takes a period whose next look is due, and puts that off by the lease: so several workers share them, and what a killed
 * worker took comes again. Undefined: another worker has taken it meanwhile.
 */
export async function takePeriod(
  db: Db,
  { organizationId, start }: PeriodKey,
  { leaseSeconds }: { leaseSeconds: number },
): Promise<BillingPeriod | undefined> {
  const taken = await sql<BillingPeriod>`
    update metering.billing_periods p
    set next_look_at = now() + make_interval(secs => ${leaseSeconds})
    where p.organization_id = ${organizationId} and p.period_start = ${start} and ${isDue}
    returning ${periodColumns}
  `.execute(db);
  return taken.rows[0];
}

/** Notes what a look found, and when the next one is. One that was asked for meanwhile is not put off. */
export async function noteLook(
  db: Db,
  { organizationId, start }: BillingPeriod,
  look: Pick<BillingPeriod, "notBilled" | "isTrial"> & { books: Books; nextLookAt: Date },
): Promise<void> {
  const isOfPeriod = sql`organization_id = ${organizationId} and period_start = ${start}`;
  const notBilled = look.notBilled === null ? null : JSON.stringify(look.notBilled);
  await inTransaction(db, async (trx) => {
    await sql`
      update metering.billing_periods
      set books = ${look.books}, not_billed = ${notBilled}::jsonb, is_trial = ${look.isTrial}
      where ${isOfPeriod}
    `.execute(trx);
    await sql`
      update metering.billing_periods set next_look_at = ${look.nextLookAt} where ${isOfPeriod} and next_look_at > now()
    `.execute(trx);
  });
}

/** The period of an organization that begins at a moment. */
export async function findPeriod(
  db: Db,
  organizationId: string,
  start: Date,
): Promise<BillingPeriod | undefined> {
  const found = await sql<BillingPeriod>`
    select ${periodColumns}
    from metering.billing_periods p
    where organization_id = ${organizationId} and period_start = ${start}
  `.execute(db);
  return found.rows[0];
}

/** An organization's periods, the newest first. `before`: those that begin earlier. */
export async function listPeriods(
  db: Db,
  organizationId: string,
  { before, limit }: { before: Date | undefined; limit: number },
): Promise<BillingPeriod[]> {
  const found = await sql<BillingPeriod>`
    select ${periodColumns}
    from metering.billing_periods p
    where organization_id = ${organizationId}
      ${before === undefined ? sql`` : sql`and period_start < ${before}`}
    order by period_start desc
    limit ${limit}
  `.execute(db);
  return found.rows;
}

/** Of an invoice `i`. */
export const invoiceColumns = sql`
  i.invoice_id as id, i.stripe_subscription_id as "subscriptionId", i.billing_reason as "billingReason", i.status,
  i.invoiced, i.created_at as "createdAt", i.finalizes_at as "finalizesAt", i.held_since as "heldSince",
  i.held_until as "heldUntil", i.gate_said as "gateSaid", i.finalized_at as "finalizedAt", i.paid_at as "paidAt",
  i.read_began_at as "readBeganAt"
`;

/** A period's invoices, the newest first. */
export async function listInvoices(
  db: Db,
  period: Pick<BillingPeriod, "organizationId" | "start">,
): Promise<PeriodInvoice[]> {
  const [invoices = []] = await listInvoicesOf(db, {
    organizationId: period.organizationId,
    times: [period],
  });
  return invoices;
}

/** The same of several periods of one organization. */
export async function listInvoicesOf(
  db: Db,
  { organizationId, times }: { organizationId: string; times: readonly Pick<BillingPeriod, "start">[] },
): Promise<PeriodInvoice[][]> {
  const starts = times.map(({ start }) => start.toISOString());
  const found = await sql<PeriodInvoice & { periodStart: Date }>`
    select ${invoiceColumns}, i.period_start as "periodStart"
    from metering.billing_invoices i
    where organization_id = ${organizationId} and period_start = any(${starts}::timestamptz[])
    order by created_at desc, invoice_id
  `.execute(db);
  const byStart = Map.groupBy(found.rows, ({ periodStart }) => periodStart.getTime());
  return times.map(({ start }) => byStart.get(start.getTime()) ?? []);
}

/** Whether an invoice is final and bills what is on it. */
export function isBilled({ status }: Pick<PeriodInvoice, "status">): boolean {
  return billedStatuses.includes(status);
}

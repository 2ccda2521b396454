import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import type { InvoiceRead, StripeInvoices } from "../stripe/invoices.ts";
import type { RememberedMeters } from "../stripe/remember-meters.ts";
import type { MeterEventNames } from "../usage/meters.ts";
import { type InvoiceUsage, invoiceUsage } from "./invoice-usage.ts";
import { readDatabaseClock } from "./read-customer.ts";
import { isInBacklog } from "./subscriptions.ts";

/** The result of one read of an invoice; `invoice` undefined: Stripe has none any more. */
export type InvoiceToAdopt = {
  invoiceId: string;
  customerId: string;
  invoice: InvoiceRead | undefined;
  /** Undefined: it bills none of our meters. */
  usage: InvoiceUsage | undefined;
  /** The database's time to the microsecond. */
  readBeganAt: string;
};

export type InvoiceReadDeps = {
  db: Db;
  reads: { invoices: StripeInvoices; meters: RememberedMeters };
  eventNames: MeterEventNames;
};

/** Reads an invoice at Stripe, and the quantities of our meters that it bills. */
export async function readInvoice(
  { db, reads, eventNames }: InvoiceReadDeps,
  { invoiceId, customerId }: { invoiceId: string; customerId: string },
): Promise<InvoiceToAdopt> {
  const readBeganAt = await readDatabaseClock(db);
  const invoice = await reads.invoices.read(invoiceId);
  const known = { invoiceId, customerId, invoice, readBeganAt };
  if (invoice === undefined) return { ...known, usage: undefined };
  const lines = await reads.invoices.readLines(invoiceId);
  const meters =
    lines.length === 0 ? new Map() : await reads.meters.knowing(lines.map(({ meterId }) => meterId));
  return { ...known, usage: invoiceUsage(invoice, lines, { meters, eventNames }) };
}

/** Whether a read of the invoice that is noted began after this time, which is a minute ago or more. */
export async function isInvoiceReadSince(
  db: Db,
  {
    organizationIds,
    invoiceId,
    since,
  }: { organizationIds: readonly string[]; invoiceId: string; since: string },
): Promise<boolean> {
  const { rows } = await sql`
    select from metering.billing_invoices
    where organization_id = any(${organizationIds}::uuid[]) and invoice_id = ${invoiceId}
      and read_began_at > ${since}::timestamptz and ${isInBacklog(since)}
  `.execute(db);
  return rows.length > 0;
}

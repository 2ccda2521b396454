import { adoptInvoice } from "../../billing/adopt-invoice.ts";
import { type InvoiceReadDeps, readInvoice } from "../../billing/read-invoice.ts";
import type { InvoiceRead } from "../../stripe/invoices.ts";
import type { BillingPeriod } from "./billing-periods.ts";

/** Reads an invoice of a period at Stripe and keeps what it says now; undefined: Stripe has it no more. */
export async function readAgain(
  deps: InvoiceReadDeps,
  { customer }: Pick<BillingPeriod, "customer">,
  invoiceId: string,
): Promise<InvoiceRead | undefined> {
  const read = await readInvoice(deps, { invoiceId, customerId: customer });
  await deps.db.transaction().execute((trx) => adoptInvoice(trx, read, { wakes: false }));
  return read.invoice;
}

import { sql } from "kysely";
import { billedStatuses, endsPeriod } from "../../billing/invoice-usage.ts";
import type { Db } from "../../database/db.ts";
import { type MeterName, meterNames } from "../../usage/meters.ts";
import { type BilledDeps, readBilledNow } from "./billed-now.ts";
import { type BillingPeriod, isBilled, type PeriodInvoice, type Quantities } from "./billing-periods.ts";

/**
 * The meters that the subscription's period before was billed for, while no final invoice of this one has a line of them and no
 * subscription of the customer has a price: their item was deleted. A plan that never had the meter names none, nor does the period
 * after this one. What the look before told stays told, though a price is there again.
 */
export async function listPricesGone(
  deps: BilledDeps & { db: Db },
  period: BillingPeriod,
  invoices: readonly PeriodInvoice[],
): Promise<MeterName[]> {
  if (!invoices.some((one) => isBilled(one) && endsPeriod(one))) return [];
  const before = await listBilledBefore(deps.db, period);
  const gone = before.filter((meter) => invoices.every(({ invoiced }) => invoiced[meter] === undefined));
  const isTold = (meter: MeterName) => period.notBilled?.[meter] !== undefined;
  if (gone.every(isTold)) return gone;
  const billed = await readBilledNow(deps, period.customer);
  return gone.filter((meter) => isTold(meter) || !billed.includes(meter));
}

/** The meters on final invoices of the period of the same subscription that came before. */
async function listBilledBefore(
  db: Db,
  { organizationId, customer, subscriptionId, start }: BillingPeriod,
): Promise<MeterName[]> {
  const found = await sql<{ invoiced: Quantities }>`
    select i.invoiced
    from metering.billing_invoices i
    where i.organization_id = ${organizationId} and i.status = any(${billedStatuses}::text[])
      and i.period_start = (
        select max(p.period_start)
        from metering.billing_periods p
        where p.organization_id = ${organizationId} and p.stripe_customer_id = ${customer}
          and p.stripe_subscription_id = ${subscriptionId} and p.period_start < ${start}
      )
  `.execute(db);
  return meterNames.filter((meter) => found.rows.some(({ invoiced }) => invoiced[meter] !== undefined));
}

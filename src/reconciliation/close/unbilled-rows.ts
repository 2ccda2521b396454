import { endsPeriod } from "../../billing/invoice-usage.ts";
import type { MeterName } from "../../usage/meters.ts";
import { compareQuantities } from "../../usage/quantity.ts";
import { type BillingPeriod, isBilled, type PeriodInvoice } from "./billing-periods.ts";
import { type rowKinds, type StatementRow, unplaced } from "./statement-rows.ts";

type UnbilledKind = Extract<(typeof rowKinds)[number], "no_price" | "void">;

/** Stripe's times are whole seconds, and an invoice is made at its period's end or after it. */
const minuteMs = 60_000;

/**
 * Names a meter's usage that no invoice bills, and that lacks on none, since the plan has no price for the meter or the invoice was
 * ended: it is no difference, and a statement without a row would say that all of it is billed.
 */
export function unbilledRows(
  period: BillingPeriod,
  invoices: readonly PeriodInvoice[],
  { meter, due }: { meter: MeterName; due: string },
): StatementRow[] {
  const isTold = period.isTrial || period.notBilled?.[meter] !== undefined;
  if (isTold || compareQuantities(due, "0") <= 0) return [];
  const kind = whyUnbilled(period, invoices, meter);
  return kind === undefined ? [] : [{ ...unplaced, kind, quantity: due, difference: "0" }];
}

function whyUnbilled(
  { end }: BillingPeriod,
  invoices: readonly PeriodInvoice[],
  meter: MeterName,
): UnbilledKind | undefined {
  const bills = (one: PeriodInvoice) => one.status === "draft" || isBilled(one);
  if (invoices.some((one) => bills(one) && one.invoiced[meter] !== undefined)) return undefined;
  const last = invoices.filter(
    (one) => endsPeriod(one) && one.createdAt.getTime() >= end.getTime() - minuteMs,
  );
  if (last.some(isBilled)) return "no_price";
  return last.length > 0 && !last.some(bills) ? "void" : undefined;
}

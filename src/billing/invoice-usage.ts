import type { InvoiceRead, MeteredLine } from "../stripe/invoices.ts";
import type { MeterRead } from "../stripe/remember-meters.ts";
import { type MeterEventNames, type MeterName, meterNames } from "../usage/meters.ts";
import { addQuantities, compareQuantities } from "../usage/quantity.ts";

/** The quantities of our meters that an invoice bills, and the time of their usage. */
export type InvoiceUsage = {
  start: Date;
  end: Date;
  /** The shortest of the meters' first lines: prices of one subscription may have intervals of their own. */
  shortest: { start: Date; end: Date };
  invoiced: Partial<Record<MeterName, string>>;
  /** The meters of which lines of two prices bill usage of the same time. */
  billedTwice: MeterName[];
};

/** Statuses of invoices that are final and bill what is on them. */
export const billedStatuses = ["open", "paid", "uncollectible"];

/** An invoice whose time is told only roughly is not believed to begin a period. */
const toleranceMs = 60_000;

/**
 * What an invoice bills of ours: the sum of each meter's lines, since tiers, a changed plan and several items make several
 * lines of one meter, over the whole time that they cover. Undefined for an invoice that bills none of our meters.
 *
 * A threshold's invoice bills a part of a period that still runs.
 */
export function invoiceUsage(
  invoice: InvoiceRead,
  lines: readonly MeteredLine[],
  { meters, eventNames }: { meters: ReadonlyMap<string, MeterRead>; eventNames: MeterEventNames },
): InvoiceUsage | undefined {
  const invoiced: InvoiceUsage["invoiced"] = {};
  const billedTwice: MeterName[] = [];
  let start = Infinity;
  let end = -Infinity;
  let shortest: MeteredLine | undefined;
  for (const meter of meterNames) {
    const its = lines
      .filter(({ meterId }) => meters.get(meterId)?.eventName === eventNames[meter])
      .filter((line) => tellsOfUsage(invoice, line));
    if (its.length === 0) continue;
    invoiced[meter] = addQuantities(its.map(({ quantity }) => quantity));
    if (overlap(its)) billedTwice.push(meter);
    const first = its.reduce((a, b) => (b.periodStart < a.periodStart ? b : a));
    const isShorter = shortest === undefined || lengthOf(first) < lengthOf(shortest);
    if (isShorter && lengthOf(first) > 0) shortest = first;
    start = Math.min(start, first.periodStart.getTime());
    end = Math.max(end, ...its.map(({ periodEnd }) => periodEnd.getTime()));
  }
  if (start >= end) return undefined;
  return {
    start: new Date(start),
    end: new Date(end),
    shortest: {
      start: shortest?.periodStart ?? new Date(start),
      end: shortest?.periodEnd ?? new Date(end),
    },
    invoiced,
    billedTwice,
  };
}

function lengthOf({ periodStart, periodEnd }: MeteredLine): number {
  return periodEnd.getTime() - periodStart.getTime();
}

/**
 * Whether lines of two prices bill usage of the same time, as where a price was added to a subscription and the old one was left there.
 * Tiers make several lines of one price, and a price that is changed has lines that follow each other.
 */
function overlap(lines: readonly MeteredLine[]): boolean {
  const billing = lines.filter(({ quantity }) => compareQuantities(quantity, "0") > 0);
  return billing.some((one) =>
    billing.some(
      ({ priceId, periodStart, periodEnd }) =>
        priceId !== one.priceId &&
        one.periodStart.getTime() + toleranceMs < periodEnd.getTime() &&
        periodStart.getTime() + toleranceMs < one.periodEnd.getTime(),
    ),
  );
}

/**
 * The first invoice of a subscription announces the metered items of the period that it begins: only lines whose time is
 * over when it is made tell of usage (a subscription that was backdated has such lines there). Of any other invoice, as of one
 * that begins a period at once (`billing_cycle_anchor`), a line of nothing that begins with it announces, too.
 */
function tellsOfUsage(
  { billingReason, createdAt }: InvoiceRead,
  { quantity, periodStart, periodEnd }: MeteredLine,
): boolean {
  const isOver = periodEnd.getTime() <= createdAt.getTime() + toleranceMs;
  if (billingReason === "subscription_create") return isOver;
  const isBefore = periodStart.getTime() < createdAt.getTime() - toleranceMs;
  return isOver || isBefore || compareQuantities(quantity, "0") !== 0;
}

/** Whether an invoice, once final, ends the billing of its period: one of a threshold bills what there is so far. */
export function endsPeriod({ billingReason }: Pick<InvoiceRead, "billingReason">): boolean {
  return billingReason !== "subscription_threshold" && billingReason !== "subscription_create";
}

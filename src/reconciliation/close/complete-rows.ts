import { type MeterName, meters } from "../../usage/meters.ts";
import { addQuantities, compareQuantities, subtractQuantity } from "../../usage/quantity.ts";
import { type rowKinds, rowsMax, type StatementRow, unplaced } from "./statement-rows.ts";

/** Why a period differs beyond its rows, as a look found out. */
export type RestKind = Extract<(typeof rowKinds)[number], "no_invoice" | "trial" | "unexplained">;

/** Completes the rows that a meter's difference consists of, so that they add up to it. */
export function completeRows(
  rows: readonly StatementRow[],
  { meter, difference, restIs }: { meter: MeterName; difference: string; restIs: RestKind },
): StatementRow[] {
  const isGauge = meters[meter].aggregation === "last";
  const told = isGauge
    ? rows.map((row) => ({ ...row, difference: "0" }))
    : withoutInvoiced(rows, restOf(rows, difference));
  const kept = told.slice(0, rowsMax);
  const rest = restOf(kept, difference);
  if (compareQuantities(rest, "0") === 0) return kept;
  const last = isGauge ? kept.at(-1) : undefined;
  // Of a gauge only the last value counts, so the last row has all of the difference.
  if (last !== undefined) return [...kept.slice(0, -1), { ...last, difference: rest }];
  const kind = told.length > rowsMax ? "others" : restIs;
  return [...kept, { ...unplaced, kind, quantity: rest, difference: rest }];
}

function restOf(rows: readonly StatementRow[], difference: string): string {
  return subtractQuantity(difference, addQuantities(rows.map((row) => row.difference)));
}

/**
 * Leaves out usage that came late by our clock, and that the invoice has all the same: Stripe had it in time, and its answer was lost,
 * or came when our clock was ahead of Stripe's. So it is where the first late rows are exactly as much as the invoice has beyond all
 * rows.
 */
function withoutInvoiced(rows: readonly StatementRow[], rest: string): readonly StatementRow[] {
  if (compareQuantities(rest, "0") >= 0 || rows.length > rowsMax) return rows;
  const late = rows.filter(({ kind }) => kind === "late");
  let left = rest;
  for (const [index, row] of late.entries()) {
    left = addQuantities([left, row.difference]);
    if (compareQuantities(left, "0") > 0) return rows;
    if (compareQuantities(left, "0") < 0) continue;
    const invoiced = new Set(late.slice(0, index + 1));
    return rows.filter((one) => !invoiced.has(one));
  }
  return rows;
}

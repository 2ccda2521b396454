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
  const told = isGauge ? rows.map((row) => ({ ...row, difference: "0" })) : rows;
  const kept = told.slice(0, rowsMax);
  const rest = subtractQuantity(difference, addQuantities(kept.map((row) => row.difference)));
  if (compareQuantities(rest, "0") === 0) return kept;
  const last = isGauge ? kept.at(-1) : undefined;
  // Of a gauge only the last value counts, so the last row has all of the difference.
  if (last !== undefined) return [...kept.slice(0, -1), { ...last, difference: rest }];
  const kind = told.length > rowsMax ? "others" : restIs;
  return [...kept, { ...unplaced, kind, quantity: rest, difference: rest }];
}

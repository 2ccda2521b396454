import { type BillLine, isSettled } from "./bill.ts";
import { totalOf } from "./bill-table.ts";

/** How the demo ended: with a bill, or before there was one. */
export type DemoOutcome = { bill: readonly BillLine[] } | { organizations: number; readings: number };

/** Whether every organization's bill equals its readings and its sensors. */
export function isOk(outcome: DemoOutcome): boolean {
  return "bill" in outcome && outcome.bill.length > 0 && outcome.bill.every(isSettled);
}

/** The demo's last line, for people and for tests. */
export function verdictLine(outcome: DemoOutcome): string {
  if (!("bill" in outcome)) {
    const { organizations, readings } = outcome;
    return `demo: failed organizations=${organizations} readings=${readings} billed=unknown difference=unknown`;
  }
  const { readings, billed } = totalOf(outcome.bill);
  const word = isOk(outcome) ? "ok" : "failed";
  const fields = `organizations=${outcome.bill.length} readings=${readings} billed=${billed}`;
  return `demo: ${word} ${fields} difference=${readings - billed}`;
}

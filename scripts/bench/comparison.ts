import type { BenchName } from "./names.ts";
import { medianOf } from "./statistics.ts";

/** The bound for the ratio of our figure to theirs. */
export type Target = { ratio: "at least" | "at most"; value: number };

/** One figure of ours beside the limit or peer that was measured in the same run, each with all of its rounds. */
export type Comparison = {
  bench: BenchName;
  what: string;
  unit: string;
  ours: readonly number[];
  peer: string;
  theirs: readonly number[];
  target?: Target;
};

/** A comparison that could not be made on this machine. */
export type Skipped = { bench: BenchName; what: string; peer: string; skipped: string };

/** Our median divided by theirs. */
export function ratioOf({ ours, theirs }: Pick<Comparison, "ours" | "theirs">): number {
  return medianOf(ours) / medianOf(theirs);
}

/** Whether the target was met; undefined without a target. */
export function isMet(comparison: Comparison): boolean | undefined {
  const { target } = comparison;
  if (target === undefined) return undefined;
  const ratio = ratioOf(comparison);
  return target.ratio === "at least" ? ratio >= target.value : ratio <= target.value;
}

/** Every bench, in the order in which they run. */
export const benchNames = [
  "intake-batch",
  "intake-single",
  "intake-naive",
  "seal",
  "deliver",
  "drain",
  "event-cost",
  "deliver-stream",
  "end-to-end",
  "latency",
  "memory",
  "overload",
  "growth",
  "turns",
  "meters",
  "books",
  "year",
  "disk",
  "autovacuum",
  "console",
  "citus",
] as const;

export type BenchName = (typeof benchNames)[number];

/** Those of several forms or parts, which may be named. */
export const benchesOfForms: readonly BenchName[] = ["drain", "growth"];

/** These run only when they are named, or with --all. */
export const longBenches: readonly BenchName[] = [
  "memory",
  "overload",
  "growth",
  "turns",
  "meters",
  "books",
  "year",
  "disk",
  "autovacuum",
  "console",
  "citus",
];

/** Whether there is a bench of this name. */
export function isBenchName(name: string): name is BenchName {
  return benchNames.some((known) => known === name);
}

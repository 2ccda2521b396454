import type { IntakeResult, ReadingResult } from "../../intake/accept-readings.ts";

/** The same result of some readings in a row, so that a hundred thousand that fail alike cost as little as one. */
export type ResultRun = { first: number; count: number; result: Omit<ReadingResult, "index"> };

/** The results of some lines. */
export type LinesResult = Omit<IntakeResult, "results"> & { runs: ResultRun[] };

/** The results of a chunk as runs, where the chunk's first reading is the request's reading `first`. */
export function foldResults({ results, ...counts }: IntakeResult, first: number): LinesResult {
  const runs: ResultRun[] = [];
  for (const { index, ...result } of results) addRun(runs, { first: first + index, count: 1, result });
  return { ...counts, runs };
}

/** Adds a run behind the others, or makes the last one longer. Returns whether there is one more. */
export function addRun(runs: ResultRun[], run: ResultRun): boolean {
  const last = runs.at(-1);
  if (last === undefined || last.first + last.count !== run.first || !isAlike(last.result, run.result))
    return runs.push(run) > 0;
  last.count += run.count;
  return false;
}

/** The result of each reading of the runs, in order. */
export function* resultsOf(runs: readonly ResultRun[]): Generator<ReadingResult> {
  for (const { first, count, result } of runs) {
    for (let index = first; index < first + count; index += 1) yield { index, ...result };
  }
}

/** Readings with faults of their own are few, and each is a run of its own. */
function isAlike(one: ResultRun["result"], other: ResultRun["result"]): boolean {
  return (
    one.code === other.code &&
    one.detail === other.detail &&
    one.errors_left_out === other.errors_left_out &&
    one.errors === undefined &&
    other.errors === undefined
  );
}

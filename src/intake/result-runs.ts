import type { ReadingFault } from "../usage/reading.ts";

/** What the answer says about one reading that was not plainly accepted. */
export type ReadingResult = {
  status: "duplicate" | "rejected";
  code: string;
  detail: string;
  /** For `invalid`: the first faulty fields, as JSON pointers inside the reading; none where the answer has many already. */
  errors?: ReadingFault[];
  /** How many faults `errors` does not list. */
  errors_left_out?: number;
};

/** With the reading's place in the request, from 0. */
export type IndexedResult = { index: number } & ReadingResult;

/**
 * The same result of some readings in a row, so that a hundred thousand that fail alike cost as little as one. `first`
 * is a reading's place in the request, from 0.
 */
export type ResultRun = { first: number; count: number; result: ReadingResult };

/** The results of some readings: how many of each kind, and what is told about those that were not plainly accepted. */
export type IntakeResult = { accepted: number; duplicates: number; rejected: number; runs: ResultRun[] };

/** Adds a run behind the others, or makes the last one longer. Returns whether there is one more. */
export function addRun(runs: ResultRun[], run: ResultRun): boolean {
  const last = runs.at(-1);
  if (last === undefined || last.first + last.count !== run.first || !isAlike(last.result, run.result))
    return runs.push(run) > 0;
  last.count += run.count;
  return false;
}

/** The result of each reading of the runs, in order, with its place in the request. */
export function* resultsOf(runs: readonly ResultRun[]): Generator<IndexedResult> {
  for (const { first, count, result } of runs) {
    for (let index = first; index < first + count; index += 1) yield { index, ...result };
  }
}

/** Readings with faults of their own are few, and each is a run of its own. */
function isAlike(one: ReadingResult, other: ReadingResult): boolean {
  if (one === other) return true;
  return (
    one.code === other.code &&
    one.detail === other.detail &&
    one.errors_left_out === other.errors_left_out &&
    one.errors === undefined &&
    other.errors === undefined
  );
}

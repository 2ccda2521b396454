import type { ResultRun } from "./result-runs.ts";

/** What a run costs besides its texts, measured: two objects, its place in a list that grows, and what waits to be collected. */
const runBytes = 256;
const faultBytes = 128;
/** Texts with a character outside Latin-1 take two bytes for each. */
const bytesPerChar = 2;

/** What runs of results cost while they wait for the client to read them, about. */
export function heldBytesOf(runs: readonly ResultRun[]): number {
  return runs.reduce((sum, { result }) => sum + bytesOf(result), 0);
}

function bytesOf({ detail, errors = [] }: ResultRun["result"]): number {
  const faults = errors.reduce(
    (sum, fault) => sum + faultBytes + bytesPerChar * (fault.pointer.length + fault.detail.length),
    0,
  );
  return runBytes + bytesPerChar * detail.length + faults;
}

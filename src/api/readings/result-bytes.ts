import type { ResultRun } from "../../intake/result-runs.ts";

/** The bytes of a run beside its texts, measured: two objects, its place in a growing list, and garbage. */
const runBytes = 256;
const faultBytes = 128;
/** Texts with a character outside Latin-1 take two bytes for each. */
const bytesPerChar = 2;

/** About how many bytes runs of results take while they wait for the client to read them. */
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

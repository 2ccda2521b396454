import {
  type InvalidReading,
  judgeReading,
  type Reading,
  type ReadingFault,
  type ReadingLimits,
  type ReadingVerdict,
} from "../usage/reading.ts";
import type { StoreReadings } from "./commit-batches.ts";
import type { StoredAs } from "./judge-stored.ts";
import { addRun, type IntakeResult, type ReadingResult } from "./result-runs.ts";

export type IntakeDeps = StoreDeps & { now: () => Date; limits: ReadingLimits };

type StoreDeps = {
  store: StoreReadings;
  /** Called with every result, for metrics. */
  onStored?: ((result: IntakeResult) => void) | undefined;
};

/** One answer lists this many faults; its other invalid readings name their first fault only. */
export type FaultAllowance = { left: number };

const faultsListedMax = 1_000;
const faultsDescribedMax = 3;

export function allowFaults(): FaultAllowance {
  return { left: faultsListedMax };
}

/**
 * Takes in the readings of one request: judges each by itself, stores the valid ones with their entry in one
 * transaction, and after the commit tells the result of each. Throws the errors of `StoreReadings`.
 */
export function acceptReadings(
  { now, limits, ...deps }: IntakeDeps,
  organizationId: string,
  inputs: readonly unknown[],
): Promise<IntakeResult> {
  const at = now();
  const judged = inputs.map((input) => judgeReading(input, at, limits));
  return storeJudged(deps, organizationId, { judged, allowance: allowFaults() });
}

/** Readings that are judged already; `first` is the place of the first of them in its request, 0 if left out. */
type JudgedReadings = { judged: readonly ReadingVerdict[]; allowance: FaultAllowance; first?: number };

/** The same, for readings that are judged already. */
export async function storeJudged(
  { store, onStored }: StoreDeps,
  organizationId: string,
  { judged, allowance, first = 0 }: JudgedReadings,
): Promise<IntakeResult> {
  const valid: Reading[] = [];
  for (const verdict of judged) if (verdict.kind === "valid") valid.push(verdict.reading);
  const stored = valid.length === 0 ? [] : await store(organizationId, valid);
  const resultOf = createResults(stored, allowance);
  const result: IntakeResult = { accepted: 0, duplicates: 0, rejected: 0, runs: [] };
  for (const [index, verdict] of judged.entries()) {
    const told = resultOf(verdict);
    if (told === undefined) result.accepted += 1;
    else {
      if (told.status === "duplicate") result.duplicates += 1;
      else result.rejected += 1;
      addRun(result.runs, { first: first + index, count: 1, result: told });
    }
  }
  onStored?.(result);
  return result;
}

/** Makes the function that tells the result of each reading, in order; undefined when it is plainly accepted. */
function createResults(stored: readonly StoredAs[], allowance: FaultAllowance) {
  let nextStored = 0;
  let last: { verdict: ReadingVerdict; result: ReadingResult } | undefined;
  return (verdict: ReadingVerdict): ReadingResult | undefined => {
    if (verdict.kind === "valid") return resultOfStored(stored[nextStored++]);
    if (verdict.kind !== "invalid") return { status: "rejected", code: verdict.kind, detail: verdict.detail };
    if (allowance.left > 0) return resultOfInvalid(verdict, allowance);
    // Lines that are no JSON share one verdict, and so one result.
    if (last?.verdict !== verdict) last = { verdict, result: resultOfInvalid(verdict, allowance) };
    return last.result;
  };
}

function resultOfStored(stored: StoredAs | undefined): ReadingResult | undefined {
  if (stored === undefined) throw new Error("a valid reading was not stored");
  switch (stored.status) {
    case "accepted":
      return undefined;
    case "duplicate":
      return { status: "duplicate", code: "duplicate", detail: "stored before, and not billed again" };
    case "rejected":
      return stored;
  }
}

function resultOfInvalid(
  { faults, faultsLeftOut = 0 }: InvalidReading,
  allowance: FaultAllowance,
): ReadingResult {
  const listed = faults.slice(0, allowance.left);
  allowance.left -= listed.length;
  const leftOut = faults.length - listed.length + faultsLeftOut;
  return {
    status: "rejected",
    code: "invalid",
    detail: describeFaults(listed.length > 0 ? listed : faults.slice(0, 1), leftOut),
    ...(listed.length > 0 && { errors: listed }),
    ...(leftOut > 0 && { errors_left_out: leftOut }),
  };
}

function describeFaults(faults: readonly ReadingFault[], leftOut: number): string {
  const named = faults.slice(0, faultsDescribedMax);
  const more = faults.length - named.length + leftOut;
  const texts = named.map(({ pointer, detail }) => `${pointer === "" ? "reading" : pointer} ${detail}`);
  return [...texts, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}

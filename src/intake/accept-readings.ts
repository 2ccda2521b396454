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

/** What the answer says about one reading that was not plainly accepted. */
export type ReadingResult = {
  /** The reading's place in the request, from 0. */
  index: number;
  status: "duplicate" | "rejected";
  code: string;
  detail: string;
  /** For `invalid`: the first faulty fields, as JSON pointers inside the reading; none where the answer has many already. */
  errors?: ReadingFault[];
  /** How many faults `errors` does not list. */
  errors_left_out?: number;
};

export type IntakeResult = {
  accepted: number;
  duplicates: number;
  rejected: number;
  results: ReadingResult[];
};

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
export async function acceptReadings(
  { now, limits, ...deps }: IntakeDeps,
  organizationId: string,
  inputs: readonly unknown[],
): Promise<IntakeResult> {
  const at = now();
  const judged = inputs.map((input) => judgeReading(input, at, limits));
  return storeJudged(deps, organizationId, { judged, allowance: allowFaults() });
}

/** The same, for readings that are judged already. */
export async function storeJudged(
  { store, onStored }: StoreDeps,
  organizationId: string,
  { judged, allowance }: { judged: readonly ReadingVerdict[]; allowance: FaultAllowance },
): Promise<IntakeResult> {
  const valid: Reading[] = [];
  for (const verdict of judged) if (verdict.kind === "valid") valid.push(verdict.reading);
  const stored = valid.length === 0 ? [] : await store(organizationId, valid);
  const results: ReadingResult[] = [];
  let nextStored = 0;
  for (const [index, verdict] of judged.entries()) {
    const result =
      verdict.kind === "valid"
        ? resultOfStored(index, stored[nextStored++])
        : resultOfRefused(index, verdict, allowance);
    if (result !== undefined) results.push(result);
  }
  const duplicates = results.filter(({ status }) => status === "duplicate").length;
  const result = {
    accepted: judged.length - results.length,
    duplicates,
    rejected: results.length - duplicates,
    results,
  };
  onStored?.(result);
  return result;
}

function resultOfRefused(
  index: number,
  verdict: Exclude<ReadingVerdict, { kind: "valid" }>,
  allowance: FaultAllowance,
): ReadingResult {
  return verdict.kind === "invalid"
    ? resultOfInvalid(index, verdict, allowance)
    : { index, status: "rejected", code: verdict.kind, detail: verdict.detail };
}

function resultOfStored(index: number, stored: StoredAs | undefined): ReadingResult | undefined {
  if (stored === undefined) throw new Error("a valid reading was not stored");
  switch (stored.status) {
    case "accepted":
      return undefined;
    case "duplicate":
      return { index, status: "duplicate", code: "duplicate", detail: "stored before, and not billed again" };
    case "rejected":
      return { index, ...stored };
  }
}

function resultOfInvalid(
  index: number,
  { faults, faultsLeftOut = 0 }: InvalidReading,
  allowance: FaultAllowance,
): ReadingResult {
  const listed = faults.slice(0, allowance.left);
  allowance.left -= listed.length;
  const leftOut = faults.length - listed.length + faultsLeftOut;
  return {
    index,
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

import {
  judgeReading,
  type ReadingFault,
  type ReadingLimits,
  type ReadingVerdict,
} from "../usage/reading.ts";
import type { StoreReadings } from "./commit-batches.ts";
import type { StoredAs } from "./judge-stored.ts";

/** What the gateway is told about one reading that was not plainly accepted. */
export type ReadingResult = {
  /** Its place in the request, from 0. */
  index: number;
  status: "duplicate" | "rejected";
  code: string;
  detail: string;
  /** For `invalid`: each faulty field, as a JSON pointer inside the reading. */
  errors?: ReadingFault[];
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
  /** Is told of every result, for metrics. */
  onStored?: ((result: IntakeResult) => void) | undefined;
};

/**
 * Takes in the readings of one request: judges each by itself, stores the valid ones with their entry in one
 * transaction, and tells what became of each after the commit. Throws what `StoreReadings` throws.
 */
export async function acceptReadings(
  { now, limits, ...deps }: IntakeDeps,
  organizationId: string,
  inputs: readonly unknown[],
): Promise<IntakeResult> {
  const at = now();
  const judged = inputs.map((input) => judgeReading(input, at, limits));
  return storeJudged(deps, organizationId, judged);
}

/** The same, for readings that are judged already. */
export async function storeJudged(
  { store, onStored }: StoreDeps,
  organizationId: string,
  judged: readonly ReadingVerdict[],
): Promise<IntakeResult> {
  const valid = judged.flatMap((verdict) => (verdict.kind === "valid" ? [verdict.reading] : []));
  const stored = valid.length === 0 ? [] : await store(organizationId, valid);
  let nextStored = 0;
  const outcomes = judged.map((verdict, index) => {
    if (verdict.kind === "valid") return resultOfStored(index, stored[nextStored++]);
    const errors = verdict.kind === "invalid" ? verdict.faults : undefined;
    const detail = verdict.kind === "invalid" ? describeFaults(verdict.faults) : verdict.detail;
    return {
      index,
      status: "rejected" as const,
      code: verdict.kind,
      detail,
      ...(errors !== undefined && { errors }),
    };
  });
  const results = outcomes.filter((outcome) => outcome !== undefined);
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

function describeFaults(faults: readonly ReadingFault[]): string {
  return faults.map(({ pointer, detail }) => `${pointer === "" ? "reading" : pointer} ${detail}`).join("; ");
}

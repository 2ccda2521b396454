import pg from "pg";
import { Problem } from "../http/problem.ts";
import {
  judgeReading,
  type Reading,
  type ReadingFault,
  type ReadingLimits,
  type ReadingVerdict,
} from "../usage/reading.ts";
import { storeReadings, type StoredAs } from "./store-readings.ts";

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
  pool: pg.Pool;
  /** Is told of every result, for metrics. */
  onStored?: ((result: IntakeResult) => void) | undefined;
};

/**
 * Takes in the readings of one request: judges each by itself, stores the valid ones with their entry in one
 * transaction, and tells what became of each after the commit. Throws the 503 `outcome_unknown` when the connection
 * broke so that nobody can tell whether the transaction committed; sending the same readings again is safe.
 */
export async function acceptReadings(
  { now, limits, ...store }: IntakeDeps,
  organizationId: string,
  inputs: readonly unknown[],
): Promise<IntakeResult> {
  const at = now();
  const judged = inputs.map((input) => judgeReading(input, at, limits));
  return storeJudged(store, organizationId, judged);
}

/** The same, for readings that are judged already. */
export async function storeJudged(
  { pool, onStored }: StoreDeps,
  organizationId: string,
  judged: readonly ReadingVerdict[],
): Promise<IntakeResult> {
  const valid = judged.flatMap((verdict) => (verdict.kind === "valid" ? [verdict.reading] : []));
  const stored = valid.length === 0 ? [] : await storeInOwnConnection(pool, organizationId, valid);
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

async function storeInOwnConnection(
  pool: pg.Pool,
  organizationId: string,
  readings: readonly Reading[],
): Promise<StoredAs[]> {
  // A failure to connect is certain: nothing was sent. After this line it is not.
  const client = await pool.connect();
  let isBroken = false;
  try {
    return await storeReadings(client, organizationId, readings);
  } catch (error) {
    if (isRefusedByServer(error)) throw error;
    isBroken = true;
    const detail =
      "The database went away before it answered. Send the same readings again: nothing is billed twice.";
    const headers = { "retry-after": "2" };
    throw new Problem({ status: 503, code: "outcome_unknown", detail, headers }, { cause: error });
  } finally {
    client.release(isBroken);
  }
}

/** The server itself says that the statement failed. A shutdown (57P0x) can hit between commit and answer. */
function isRefusedByServer(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (!(error instanceof pg.DatabaseError)) return !isConnectionError(error);
  return error.code?.startsWith("57P0") !== true;
}

function isConnectionError(error: Error): boolean {
  return "code" in error || /connection|timeout/i.test(error.message);
}

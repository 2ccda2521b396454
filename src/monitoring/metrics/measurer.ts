import { sql } from "kysely";
import { readByIndex } from "../../database/one-plan.ts";
import type { Db } from "../../database/db.ts";
import { isDatabaseUnavailable, isNodeAway } from "../../database/database-unavailable.ts";
import { wait } from "../../process/wait.ts";
import type { Measurement, Sample } from "./database-gauges.ts";
import type { Asked } from "./asked.ts";
import { databaseReads, type Read } from "./reads.ts";

export type MeasurerLimits = {
  /** For each statement. */
  statementTimeoutMs: number;
  /** A caller waits no longer than this, and takes the finished reads. */
  deadlineMs: number;
  /** A measurement is not repeated sooner. */
  reusedMs: number;
};

const measurerLimits: MeasurerLimits = { statementTimeoutMs: 2_000, deadlineMs: 4_000, reusedMs: 5_000 };
/** One that took longer is reused this many times as long, so that measuring keeps a tenth of a connection busy at most. */
const reusedPerDuration = 10;
/** `statement_timeout` of Postgres. */
const tooSlowCode = "57014";

export type MeasurerDeps = Asked & {
  db: Db;
  onFailedRead: (failed: { read: string; error: unknown }) => void;
  reads?: readonly Read[];
};

/**
 * Measures the database when asked, one measurement at a time on one connection: callers that ask meanwhile share it.
 * Never throws; without a database `isUp` is false. So it is while a node of a cluster is away; what lies elsewhere is
 * measured then.
 */
export function createMeasurer(
  { db, onFailedRead, reads = databaseReads, billableStatuses }: MeasurerDeps,
  changes: Partial<MeasurerLimits> = {},
): () => Promise<Measurement> {
  const limits = { ...measurerLimits, ...changes };
  let latest: Measurement = { isUp: false, samples: [] };
  let goodUntilMs = Number.NEGATIVE_INFINITY;
  let underWay: Promise<void> | undefined;

  async function measure(): Promise<void> {
    const startedAtMs = performance.now();
    const current: Measurement = { isUp: false, samples: [] };
    latest = current;
    let isServerUp = true;
    let areNodesUp = true;
    for (const read of reads) {
      const failure = await measureOne({ db, onFailedRead, billableStatuses, ...limits }, read, {
        samples: current.samples,
        onAnswer: () => (current.isUp = areNodesUp),
      });
      isServerUp = failure !== "database_away";
      areNodesUp &&= failure !== "node_away";
      current.isUp &&= isServerUp && areNodesUp;
      if (!isServerUp) break;
    }
    const endedAtMs = performance.now();
    const slowReusedMs = isServerUp ? (endedAtMs - startedAtMs) * reusedPerDuration : 0;
    goodUntilMs = endedAtMs + Math.max(limits.reusedMs, slowReusedMs);
  }

  return async () => {
    if (underWay === undefined && performance.now() >= goodUntilMs) {
      underWay = measure().finally(() => {
        underWay = undefined;
      });
    }
    if (underWay !== undefined) {
      const over = new AbortController();
      await Promise.race([underWay, wait(limits.deadlineMs, over.signal)]);
      over.abort();
    }
    return latest;
  };
}

type ReadDeps = Omit<MeasurerDeps, "reads"> & Pick<MeasurerLimits, "statementTimeoutMs">;

/** Adds the read's samples. `onAnswer`: once the server has answered. */
async function measureOne(
  { db, onFailedRead, billableStatuses, statementTimeoutMs }: ReadDeps,
  { name, read }: Read,
  { samples, onAnswer }: { samples: Sample[]; onAnswer: () => void },
): Promise<"database_away" | "node_away" | "other" | undefined> {
  try {
    const measured = await db
      .transaction()
      .setAccessMode("read only")
      .execute(async (trx) => {
        await sql`set local statement_timeout = ${sql.lit(statementTimeoutMs)}`.execute(trx);
        await readByIndex(trx);
        onAnswer();
        return read(trx, { billableStatuses });
      });
    samples.push(...measured);
    return undefined;
  } catch (error) {
    onFailedRead({ read: name, error });
    if (isNodeAway(error)) return "node_away";
    return isTooSlow(error) || !isDatabaseUnavailable(error) ? "other" : "database_away";
  }
}

function isTooSlow(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === tooSlowCode;
}

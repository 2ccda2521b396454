import { sql } from "kysely";
import { readByIndex } from "../../database/one-plan.ts";
import type { Db } from "../../database/db.ts";
import { isDatabaseUnavailable } from "../../database/database-unavailable.ts";
import { wait } from "../../process/wait.ts";
import type { Measurement } from "./database-gauges.ts";
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

export type MeasurerDeps = {
  db: Db;
  onFailedRead: (failed: { read: string; error: unknown }) => void;
  reads?: readonly Read[];
};

/**
 * Measures the database when asked, one measurement at a time on one connection: callers that ask meanwhile share it.
 * Never throws; without a database `isUp` is false.
 */
export function createMeasurer(
  { db, onFailedRead, reads = databaseReads }: MeasurerDeps,
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
    for (const read of reads) {
      const isWorthGoingOn = await measureOne(current, read);
      if (!isWorthGoingOn) break;
    }
    const endedAtMs = performance.now();
    const slowReusedMs = current.isUp ? (endedAtMs - startedAtMs) * reusedPerDuration : 0;
    goodUntilMs = endedAtMs + Math.max(limits.reusedMs, slowReusedMs);
  }

  async function measureOne(current: Measurement, { name, read }: Read): Promise<boolean> {
    try {
      const samples = await db
        .transaction()
        .setAccessMode("read only")
        .execute(async (trx) => {
          await sql`set local statement_timeout = ${sql.lit(limits.statementTimeoutMs)}`.execute(trx);
          await readByIndex(trx);
          current.isUp = true;
          return read(trx);
        });
      current.samples.push(...samples);
      return true;
    } catch (error) {
      onFailedRead({ read: name, error });
      if (isTooSlow(error) || !isDatabaseUnavailable(error)) return true;
      current.isUp = false;
      return false;
    }
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

function isTooSlow(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === tooSlowCode;
}

import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import type { MeterName } from "../usage/meters.ts";
import type { Shards } from "../database/shards.ts";
import { shardsOf } from "../database/shards-of.ts";
import { listDue } from "./due-by-shard.ts";
import { type MeterSeal, sealTurns } from "./seal-turns.ts";
import { createSliceSize } from "./slice-size.ts";

export type SealResult = {
  events: number;
  entries: number;
  /** `time`: `msMax` has passed, and there is more to seal. */
  stopped: "done" | "time" | "too_many_undelivered";
  /** The meters of which too many events are pending. */
  heldBack: MeterName[];
};

type SealLimits = {
  /** Sealing of a meter stops while this many of its events are pending; its entries then wait. */
  pendingMax: number;
  /** Bounds of one transaction, which is made smaller where it takes long. Each event is another organization's. */
  eventsPerTransaction: number;
  entriesPerTransaction: number;
  /** Fewer events get reminders of their own, which go by customer, so that workers do not meet at one. */
  eventsPerShipmentMin: number;
  /** A transaction that takes longer, without its commit, is given up and tried again in halves. */
  msPerTransaction: number;
  /** No transaction begins after this long. */
  msMax: number;
};

const sealLimits: SealLimits = {
  pendingMax: 10_000,
  eventsPerTransaction: 2_000,
  entriesPerTransaction: 20_000,
  eventsPerShipmentMin: 8,
  msPerTransaction: 2_000,
  msMax: Infinity,
};

export type SealOptions = Partial<SealLimits> & {
  meters: readonly MeterName[];
  /** Seals this organization alone, and its events go ahead of all others. */
  onlyOrganizationId?: string;
  /** Shadow mode: what is sealed is not sent. */
  isShadow?: boolean;
};

type SealDeps = {
  db: Db;
  boss: PgBoss;
  tracer?: Tracer | undefined;
  /** Asked of the database when left out. */
  shards?: Shards;
};

/**
 * Folds all unsealed entries of these meters that a Stripe customer pays for into meter events, with one pg-boss job
 * for each event. Meters and organizations take turns of one slice each, so that one organization with millions of
 * entries does not hold up the others. Safe to run at any time and from several processes.
 */
export async function sealDueEntries(
  { db, boss, tracer = untraced, shards = shardsOf(db) }: SealDeps,
  options: SealOptions,
): Promise<SealResult> {
  const limits = { ...sealLimits, ...options };
  const endsAtMs = performance.now() + limits.msMax;
  const seals = await openSeals(db, shards, limits);
  const total: SealResult = { events: 0, entries: 0, stopped: "done", heldBack: [] };
  const hasTurns = ({ meter, queue }: MeterSeal) => queue.length > 0 && !total.heldBack.includes(meter);
  while (total.stopped !== "time" && seals.some(hasTurns)) {
    for (const seal of seals.filter(hasTurns)) {
      const sealed = await sealTurns({ db, boss, tracer, shards }, seal);
      if (sealed === "too_many_undelivered") {
        total.heldBack.push(seal.meter);
        total.stopped = sealed;
      } else {
        total.events += sealed.length;
        total.entries += sealed.reduce((sum, event) => sum + event.entries, 0);
      }
    }
    if (performance.now() >= endsAtMs && seals.some(hasTurns)) total.stopped = "time";
  }
  const faults = seals.flatMap((seal) => seal.faults);
  if (faults.length > 0)
    throw new AggregateError(faults, `${faults.length} organizations could not be sealed`);
  return total;
}

async function openSeals(db: Db, shards: Shards, limits: SealLimits & SealOptions): Promise<MeterSeal[]> {
  // Entries that arrive meanwhile are left to the next seal; otherwise every request would become a meter event.
  const cutOff = await readDatabaseClock(db);
  const seals: MeterSeal[] = [];
  for (const meter of limits.meters) {
    const { queue, faults } = await listDue(db, shards, {
      meter,
      cutOff,
      only: limits.onlyOrganizationId,
    });
    const isAheadOfAll = limits.onlyOrganizationId !== undefined;
    const { isShadow = false } = limits;
    seals.push({
      ...limits,
      meter,
      queue,
      cutOff,
      isAheadOfAll,
      isShadow,
      size: createSliceSize(),
      faults,
    });
  }
  return seals;
}

async function readDatabaseClock(db: Db): Promise<Date> {
  const clock = await sql<{ now: Date }>`select date_trunc('milliseconds', now()) as now`.execute(db);
  const [row] = clock.rows;
  if (row === undefined) throw new Error("the database has no clock");
  return row.now;
}

import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import { nodesAwayOf } from "../database/each-shard.ts";
import type { NodesAway } from "../database/silent-nodes.ts";
import { byIndex } from "../database/one-plan.ts";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import type { MeterName } from "../usage/meters.ts";
import type { Shards } from "../database/shards.ts";
import { shardsOf } from "../database/shards-of.ts";
import { countPendingOfNodes } from "./count-pending.ts";
import { listDue } from "./due-by-shard.ts";
import { type MeterSeal, sealTurns } from "./seal-turns.ts";
import type { SealedEvent } from "./sealed-event.ts";
import { createSliceSize } from "./slice-size.ts";

export type SealResult = {
  events: number;
  entries: number;
  /** `time`: `msMax` has passed, and there is more to seal. */
  stopped: "done" | "time" | "too_many_undelivered";
  /** The meters of which too many events are pending. */
  heldBack: MeterName[];
  /** Entries that occurred later were left to another seal. */
  cutOff: Date;
};

/** Organizations were left out, for the faults in `errors`; `result` tells of all others. */
export class PartlySealed extends AggregateError {
  readonly result: SealResult;

  constructor(faults: readonly unknown[], result: SealResult) {
    super(faults, `some organizations could not be sealed; faults: ${faults.length}`);
    this.result = result;
  }
}

type SealLimits = {
  /** Sealing of a meter stops while this many of its events are pending; its entries then wait. */
  pendingMax: number;
  /**
   * An organization waits while Stripe has not taken this many of its pending events that were sent: one customer's must
   * not use up the room of all others.
   */
  failedOfOneMax: number;
  /** Bounds of one transaction, which is made smaller where it takes long. */
  eventsPerTransaction: number;
  entriesPerTransaction: number;
  /** Fewer events get reminders of their own, which go by customer, so that workers do not meet at one. */
  eventsPerShipmentMin: number;
  /** A transaction that takes longer, without its commit, is given up and tried again in halves. */
  msPerTransaction: number;
  /** No transaction begins after this long, from when it is known what is due. */
  msMax: number;
};

const sealLimits: SealLimits = {
  pendingMax: 10_000,
  failedOfOneMax: 100,
  eventsPerTransaction: 2_000,
  entriesPerTransaction: 20_000,
  eventsPerShipmentMin: 8,
  msPerTransaction: 2_000,
  msMax: Infinity,
};

/** A meter that was held back goes on with room for this share of `pendingMax`: few events cost as much as many. */
const shareOfRoom = 0.25;

export type SealOptions = Partial<SealLimits> & {
  meters: readonly MeterName[];
  /** Seals this organization alone, and its events go ahead of all others. */
  onlyOrganizationId?: string;
  /** Shadow mode: what is sealed is not sent. */
  isShadow?: boolean;
  /** Where a seal ended before it was done: its cut-off, and the meters that were held back then. */
  goesOn?: Pick<SealResult, "cutOff" | "heldBack"> | undefined;
};

export type SealDeps = {
  db: Db;
  boss: PgBoss;
  tracer?: Tracer | undefined;
  /** Called after each transaction, with the events that it made. */
  onSealed?: ((events: readonly SealedEvent[]) => void) | undefined;
  /** Asked of the database when left out. */
  shards?: Shards;
};

/**
 * Folds all unsealed entries of these meters that a Stripe customer pays for into meter events, with one pg-boss job
 * for each event. Meters and organizations take turns of one slice each, and of a few short ones more where the others have
 * left room, so that one organization with millions of entries does not hold up the others. Safe to run at any time and
 * from several processes. Throws `PartlySealed` where organizations had to be left out.
 */
export async function sealDueEntries(
  { db, boss, tracer = untraced, onSealed, shards = shardsOf(db) }: SealDeps,
  options: SealOptions,
): Promise<SealResult> {
  const limits = { ...sealLimits, ...options };
  const nodesAway = nodesAwayOf(shards);
  const heldBack = await listStillHeldBack(db, { ...limits, nodesAway });
  const stopped = heldBack.length > 0 ? "too_many_undelivered" : "done";
  // Entries that arrive meanwhile are left to the next seal; otherwise every request would become a meter event.
  const cutOff = options.goesOn?.cutOff ?? (await readDatabaseClock(db));
  const meters = limits.meters.filter((meter) => !heldBack.includes(meter));
  const seals = await openSeals(db, shards, { ...limits, meters, cutOff, nodesAway });
  const endsAtMs = performance.now() + limits.msMax;
  const total: SealResult = { events: 0, entries: 0, stopped, heldBack, cutOff };
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
        onSealed?.(sealed);
      }
    }
    if (performance.now() >= endsAtMs && seals.some(hasTurns)) total.stopped = "time";
  }
  const faults = seals.flatMap((seal) => seal.faults);
  if (faults.length > 0) throw new PartlySealed(faults, total);
  return total;
}

/** What is known of the nodes of a cluster, for one seal. */
type Away = { nodesAway: NodesAway };

/** Looks before due entries are listed, which takes longer. */
async function listStillHeldBack(
  db: Db,
  { meters, pendingMax, goesOn, isShadow = false, nodesAway }: SealLimits & SealOptions & Away,
): Promise<MeterName[]> {
  const heldBack: MeterName[] = [];
  if (isShadow) return heldBack;
  for (const meter of meters.filter((each) => goesOn?.heldBack.includes(each))) {
    const pending = await byIndex(db, (one) => countPendingOfNodes(one, { meter, pendingMax, nodesAway }));
    if (pendingMax - pending < pendingMax * shareOfRoom) heldBack.push(meter);
  }
  return heldBack;
}

async function openSeals(
  db: Db,
  shards: Shards,
  limits: SealLimits & SealOptions & Away & { cutOff: Date },
): Promise<MeterSeal[]> {
  const { cutOff, nodesAway } = limits;
  const seals: MeterSeal[] = [];
  for (const meter of limits.meters) {
    const filter = { meter, cutOff, only: limits.onlyOrganizationId };
    const { queue, faults } = await listDue({ db, shards, nodesAway }, filter);
    const isAheadOfAll = limits.onlyOrganizationId !== undefined;
    const { isShadow = false } = limits;
    seals.push({
      ...limits,
      meter,
      queue,
      cutOff,
      isAheadOfAll,
      isShadow,
      room: isShadow ? Infinity : 0,
      size: createSliceSize(limits),
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

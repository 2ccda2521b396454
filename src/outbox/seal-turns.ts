import type { PgBoss } from "pg-boss";
import { isDatabaseUnavailable } from "../database/database-unavailable.ts";
import type { Db, Trx } from "../database/db.ts";
import type { NodesAway } from "../database/silent-nodes.ts";
import { limitStatement } from "../database/limit-statement.ts";
import { joinByIndex } from "../database/one-plan.ts";
import { type Shards, wholeDatabase } from "../database/shards.ts";
import { aheadOfAll, remindToDeliver } from "../queue/deliver-job.ts";
import type { Tracer } from "../tracing/tracer.ts";
import type { MeterName } from "../usage/meters.ts";
import { countPending, countPendingOfNodes } from "./count-pending.ts";
import type { DueOrganization } from "./due-organizations.ts";
import { holdSeal } from "./hold-seal.ts";
import type { SealedEvent } from "./sealed-event.ts";
import { sealSlices, type Slices } from "./seal-slices.ts";
import { traceSeal } from "./seal-spans.ts";
import type { SliceSize } from "./slice-size.ts";

/** The sealing statements may take this share of a transaction's time; the rest is left for the jobs. */
const shareOfSlices = 0.75;

export type SealDeps = { db: Db; boss: PgBoss; tracer: Tracer; shards: Shards };

/** The seal of one meter. */
export type MeterSeal = {
  meter: MeterName;
  /** The organizations whose turn is next. */
  queue: DueOrganization[];
  size: SliceSize;
  cutOff: Date;
  isAheadOfAll: boolean;
  /** Nothing is sent: there are no jobs, and no bound on what is pending. */
  isShadow: boolean;
  pendingMax: number;
  failedOfOneMax: number;
  /** So many more events may be pending, and more by what was delivered since they were counted. */
  room: number;
  eventsPerTransaction: number;
  eventsPerShipmentMin: number;
  entriesPerTransaction: number;
  msPerTransaction: number;
  /** Why organizations were left out. */
  faults: unknown[];
  /** Of a cluster; whose organizations are left out. */
  nodesAway: NodesAway;
};

/**
 * Lets the next organizations of the queue have their turns, in one transaction; organizations with more to seal go to
 * the end. A batch that cannot be done in time, or fails because of its rows, is tried again in halves. An organization
 * that fails alone is left out, and its fault is noted.
 */
export async function sealTurns(
  deps: SealDeps,
  seal: MeterSeal,
): Promise<SealedEvent[] | "too_many_undelivered"> {
  for (;;) {
    const { next, rest, node } = chooseNext(seal, deps.shards);
    if (node !== undefined && seal.nodesAway.has(node)) {
      leaveOut(seal, deps.shards, { node, error: seal.nodesAway.get(node) });
      return [];
    }
    if (node !== undefined && seal.room < next.length) {
      seal.room = seal.pendingMax - (await countPendingOfNodes(deps.db, seal));
    }
    try {
      const slices = await deps.db
        .transaction()
        .execute((trx) => sealOnce({ ...deps, trx }, seal, { next, isOneShard: node !== undefined }));
      if (slices === "too_many_undelivered") return slices;
      seal.queue = [...next.slice(slices.turns), ...rest, ...slices.unfinished];
      seal.room -= slices.events.length;
      return slices.events;
    } catch (error) {
      const fault = faultOf(error);
      if (fault === "other" && node !== undefined && isDatabaseUnavailable(error)) {
        leaveOut(seal, deps.shards, { node, error });
        return [];
      }
      if (fault === "other") throw error;
      const slicesEach = slicesOfEach(seal, next);
      const canBeSmaller =
        (fault === "too_slow" || next.length > 1 || slicesEach > 1) && seal.size.shrink(slicesEach);
      if (canBeSmaller) continue;
      seal.faults.push(
        new Error(`organization ${next[0]?.organizationId} could not be sealed`, { cause: error }),
      );
      seal.queue = seal.queue.slice(1);
      return [];
    }
  }
}

/** The organizations of the next transaction; on a cluster those of the first one's shard, which is on `node`. */
function chooseNext(seal: MeterSeal, shards: Shards): Chosen {
  const most = seal.size.of(seal.eventsPerTransaction);
  const [first] = seal.queue;
  const shard = first && shards.known(first.organizationId);
  if (shard === undefined || shard === wholeDatabase) {
    return { next: seal.queue.slice(0, most), rest: seal.queue.slice(most), node: undefined };
  }
  const next: DueOrganization[] = [];
  const rest: DueOrganization[] = [];
  for (const due of seal.queue) {
    const isNext = next.length < most && shards.known(due.organizationId)?.id === shard.id;
    (isNext ? next : rest).push(due);
  }
  return { next, rest, node: shard.node };
}

type Chosen = { next: DueOrganization[]; rest: DueOrganization[]; node: string | undefined };

/** How many slices each of the next organizations has in its turn: several where all of them leave room. */
function slicesOfEach(seal: MeterSeal, next: readonly DueOrganization[]): number {
  const room = Math.min(seal.room, seal.size.of(seal.eventsPerTransaction));
  return seal.size.slicesEach(next.length, room);
}

/** A node that is away holds up its own organizations only; they wait for the next seal. */
function leaveOut(seal: MeterSeal, shards: Shards, { node, error }: { node: string; error: unknown }): void {
  seal.nodesAway.set(node, error);
  seal.faults.push(new Error(`the organizations of node ${node} could not be sealed`, { cause: error }));
  seal.queue = seal.queue.filter(({ organizationId }) => shards.known(organizationId)?.node !== node);
}

async function sealOnce(
  { trx, boss, tracer }: SealDeps & { trx: Trx },
  seal: MeterSeal,
  { next, isOneShard }: { next: readonly DueOrganization[]; isOneShard: boolean },
): Promise<Slices | "too_many_undelivered"> {
  // One seal at a time: only the holder of this lock stamps entries.
  await holdSeal(trx);
  const startedAtMs = Date.now();
  const untilMs = startedAtMs + Math.ceil(seal.msPerTransaction * shareOfSlices);
  // Any other plan would read all waiting entries.
  await joinByIndex(trx);
  await limitStatement(trx, untilMs);
  if (!isOneShard && seal.room < next.length) seal.room = seal.pendingMax - (await countPending(trx, seal));
  if (seal.room <= 0) return "too_many_undelivered";
  const slicesEach = slicesOfEach(seal, next);
  const slices = await sealSlices(trx, {
    meter: seal.meter,
    organizations: next.slice(0, seal.room),
    slicesEach,
    cutOff: seal.cutOff,
    entriesMax: seal.size.of(seal.entriesPerTransaction),
    failedOfOneMax: seal.isShadow || seal.isAheadOfAll ? Infinity : seal.failedOfOneMax,
    isTraced: tracer.isOn,
    eventsPerShipmentMin: seal.isShadow || seal.isAheadOfAll ? Infinity : seal.eventsPerShipmentMin,
    untilMs,
    isOneShard,
  });
  await limitStatement(trx, startedAtMs + seal.msPerTransaction);
  const toSend = seal.isShadow ? [] : slices.events.filter(({ isBilledElsewhere }) => !isBilledElsewhere);
  const reminders = traceSeal(tracer, toSend, { startedAtMs });
  const jobs = await remindToDeliver(
    boss,
    reminders.map((event) => (seal.isAheadOfAll ? { ...event, ahead: aheadOfAll } : event)),
    trx,
  );
  // pg-boss adds nothing to a queue whose row was lost, and reports nothing; the sweep makes the queue again.
  if (jobs !== reminders.length) {
    throw new Error(`sealing made ${reminders.length} events to send but ${jobs} jobs; nothing was sealed`);
  }
  seal.size.took(Date.now() - startedAtMs, slicesEach);
  return slices;
}

const queryCanceled = "57014";
/** Data exceptions and violated constraints; other errors have nothing to do with the rows. */
const classesOfRows = ["22", "23"];

function faultOf(error: unknown): "too_slow" | "of_rows" | "other" {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === queryCanceled) return "too_slow";
  return classesOfRows.includes(code.slice(0, 2)) ? "of_rows" : "other";
}

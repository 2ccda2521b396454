import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import type { Shards } from "../database/shards.ts";
import { shardsOf } from "../database/shards-of.ts";
import type { Log } from "../log.ts";
import { type Bell, createBell } from "../process/bell.ts";
import { wait } from "../process/wait.ts";
import type { Reminder } from "../queue/deliver-job.ts";
import { deliverQueueOf, shipmentQueueOf } from "../queue/queues.ts";
import { type MeterName, meterNames, meters } from "../usage/meters.ts";
import { eventAheadMsMax } from "./limits.ts";
import { createGathering } from "./gathering.ts";
import { createOpenShipments, type EndedShipment } from "./open-shipments.ts";
import { createRests, type Rests } from "./rests.ts";
import { sendTaken, type SendTools, type TakenRequest } from "./send-taken.ts";
import type { Backoff } from "./settle.ts";
import { createSettler, type Settler } from "./settler.ts";
import { takePermitted } from "./take-permitted.ts";
import { deleteShipments, endShipped, type ShipmentDeps, unloadLate } from "./take-shipments.ts";
import { createUnderWay, type UnderWay } from "./under-way.ts";
import { type DeliveryWatch, unwatched } from "./watch.ts";

export type DeliveryLoop = {
  /** Takes no further jobs; resolves when every request under way is settled, or after `graceMs`. */
  stop: (graceMs: number) => Promise<void>;
  /** There are new reminders of these events: takes them at once, where it would look for them later. */
  wake: (events: readonly Pick<Reminder, "meter" | "shipmentId">[]) => void;
};

export type DeliveryLoopOptions = Omit<SendTools, "log" | "watch" | "stopping"> & {
  /** Requests sent at once. */
  concurrency: number;
  /** As the deliver queues have it. */
  backoff?: Backoff;
  watch?: DeliveryWatch;
  /** Stripe's clock; while it is not known, no event is held back for being ahead of it. */
  stripeNowMs?: () => number | undefined;
  /** A meter that had nothing is asked again after so long; half a second when left out. */
  idleMs?: number | undefined;
};

type Deps = { db: Db; boss: PgBoss; log: Log; watch?: DeliveryWatch; shards?: Shards };

/** Shared by the steps of one loop. */
type Loop = {
  deps: ShipmentDeps & { emptyQueues: Rests; lastAttempts: Set<string> };
  options: DeliveryLoopOptions;
  tools: SendTools;
  settler: Settler;
  underWay: UnderWay;
  rests: Rests;
  /** Meters in the order of the next step. */
  turns: readonly MeterName[];
  /** Meters of which events of shipments go first next time. */
  shippedNext: Set<MeterName>;
  /** Nothing was due a moment ago. The first requests then do not wait until others, which have no slot yet, have begun. */
  hasIdled: boolean;
  /** Rings for room, for a customer whose next event is free, for events that were sealed, and for the stop. */
  bell: Bell;
  idleMs: number;
};

/** Jobs taken from pg-boss at once. */
const batchMax = 1_000;
const usualIdleMs = 500;
const afterErrorMs = 1_000;
/** While events go on, a queue of theirs that was empty is asked again after so long. */
const idleQueueMs = 200;
/** The jobs of shipments that end within this time are deleted together. */
const gatherEndedMs = 50;
/** An event of a shipment that has not begun for so long gets a reminder of its own, so that it may go by another worker. */
const lateMs = 3_000;

/**
 * Delivers until stopped. It takes as many jobs from pg-boss as requests may start soon, which their leases allow for.
 * A pause or a stop holds back the requests that wait for a slot, which uses up none of their events' attempts, and
 * leaves all other jobs untouched in their queue.
 */
export function startDelivery(deps: Deps, options: DeliveryLoopOptions): DeliveryLoop {
  const stopping = new AbortController();
  const loop = openLoop(deps, { ...options, stopping: stopping.signal });
  const running = run(loop);
  return {
    async stop(graceMs) {
      stopping.abort();
      loop.bell.ring();
      const settled = new AbortController();
      const finished = running.then(loop.underWay.allSettled).finally(() => settled.abort());
      await Promise.race([finished, wait(graceMs, settled.signal)]);
    },
    wake(events) {
      for (const { meter, shipmentId = null } of events) {
        loop.rests.wake(meter);
        loop.deps.emptyQueues.wake(shipmentId === null ? deliverQueueOf(meter) : shipmentQueueOf(meter));
      }
      loop.bell.ring();
    },
  };
}

function openLoop(deps: Deps, options: DeliveryLoopOptions & { stopping: AbortSignal }): Loop {
  const { watch = unwatched, concurrency, transport, backoff, idleMs = usualIdleMs } = options;
  const nowMs = () => performance.now();
  const bell = createBell();
  const withShards = { ...deps, watch, shards: shardsOf(deps.db), open: createOpenShipments(nowMs) };
  const deleteEnded = createGathering<EndedShipment>(
    (ended) => deleteShipments(withShards, ended),
    gatherEndedMs,
  );
  const underWay = createUnderWay({
    concurrency,
    eventsPerRequestMax: transport.eventsPerRequestMax,
    onRoom: bell.ring,
  });
  const { othersWait } = underWay;
  return {
    deps: {
      ...withShards,
      deleteEnded,
      emptyQueues: createRests(idleQueueMs, nowMs),
      lastAttempts: new Set(),
    },
    options,
    tools: { ...options, log: deps.log, watch },
    settler: createSettler({ ...withShards, backoff }, { watch, othersWait }),
    underWay,
    rests: createRests(idleMs, nowMs),
    turns: meterNames,
    shippedNext: new Set(),
    hasIdled: true,
    bell,
    idleMs,
  };
}

async function run(loop: Loop): Promise<void> {
  const { log, watch, stopping } = loop.tools;
  while (!stopping.aborted) {
    try {
      await step(loop);
    } catch (error) {
      watch.onFailed();
      log.error({ event: "delivery_step_failed", error });
      await wait(afterErrorMs, stopping);
    }
  }
  // What has not begun may go by another worker at once.
  await unloadLate(loop.deps, -1);
}

async function step(loop: Loop): Promise<void> {
  const { stopping, bucket } = loop.tools;
  const since = loop.bell.rings();
  await unloadLate(loop.deps, lateMs);
  const idle = () => loop.bell.wait(loop.idleMs, since);
  if (loop.underWay.room() < loop.underWay.worthAFetch) return idle();
  // Stripe may want no requests for long, and what is late is left to other workers meanwhile.
  const waitMs = bucket.waitMs(loop.underWay.worthAFetch);
  if (waitMs > 0) return wait(Math.min(waitMs, loop.idleMs), stopping);
  let jobs = 0;
  for (const meter of loop.turns) {
    if (!stopping.aborted && !loop.rests.isResting(meter)) jobs += await stepMeter(loop, meter);
  }
  // The first one may take all that the rate allows.
  loop.turns = [...loop.turns.slice(1), ...loop.turns.slice(0, 1)];
  loop.hasIdled = jobs === 0;
  if (jobs === 0) await idle();
}

/** Takes the events of a meter that may be sent now and starts their requests. Returns how many jobs there were. */
async function stepMeter(loop: Loop, meter: MeterName): Promise<number> {
  const { options, rests } = loop;
  const { breaker, bucket, transport, leaseSeconds } = options;
  if (roomForEvents(loop) < 1 || bucket.waitMs(loop.underWay.worthAFetch) > 0) return 0;
  const permit = await breaker.permitFor(meter);
  if (permit.kind === "paused") return 0;
  const restNow = rests.look(meter);
  const probedScope = permit.kind === "probe" ? permit.scope : undefined;
  const begunAt = options.now();
  const stripeNowMs = options.stripeNowMs?.();
  const giveBackProbe = async () => {
    if (probedScope !== undefined) await breaker.giveBackProbe(probedScope);
  };
  const { jobs, taken } = await takePermitted(loop.deps, meter, {
    probedScope,
    areShippedFirst: takeTurn(loop.shippedNext, meter),
    room: probedScope === undefined ? roomForEvents(loop) : 1,
    manyOfEach: transport.eventsPerRequestMax > 1 && meters[meter].aggregation === "sum",
    leaseSeconds,
    sendableUntil: stripeNowMs === undefined ? undefined : new Date(stripeNowMs + eventAheadMsMax),
  }).catch(async (error: unknown) => {
    await giveBackProbe();
    throw error;
  });
  if (taken.length === 0) await giveBackProbe();
  bucket.take(taken.length);
  for (const chunk of chunksOf(taken, transport.eventsPerRequestMax)) {
    startRequest(loop, { jobs: chunk, probedScope, begunAt });
  }
  if (jobs === 0) restNow();
  return jobs;
}

/** Whether events of shipments go first; the next time it is the other way round. */
function takeTurn(shippedNext: Set<MeterName>, meter: MeterName): boolean {
  const areShippedFirst = shippedNext.delete(meter);
  if (!areShippedFirst) shippedNext.add(meter);
  return areShippedFirst;
}

function roomForEvents({ underWay, hasIdled, options: { bucket } }: Loop): number {
  const room = hasIdled ? underWay.roomAfterIdling() : underWay.room();
  return Math.min(room, bucket.available(), batchMax);
}

function startRequest({ deps, tools, settler, underWay, rests }: Loop, request: TakenRequest): void {
  const endLast = () => {
    for (const { attempt } of request.jobs) deps.lastAttempts.delete(attempt.meterEventId);
  };
  underWay.start({
    events: request.jobs.length,
    send: () => sendTaken(request, tools),
    settle: async (finished) => {
      await Promise.all(finished.map(settler.settle));
      endLast();
      const ids = finished.map(({ attempt }) => attempt.meterEventId);
      await endShipped(deps, ids);
      for (const { attempt, job } of finished) {
        rests.wake(attempt.meter);
        if (job !== undefined) deps.emptyQueues.wake(deliverQueueOf(attempt.meter));
      }
    },
    onError: (error) => {
      endLast();
      tools.watch.onFailed();
      tools.log.error({ event: "deliver_failed", error });
    },
  });
}

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let start = 0; start < items.length; start += size) chunks.push(items.slice(start, start + size));
  return chunks;
}

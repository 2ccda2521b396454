import type { Job } from "pg-boss";
import { inIndexOrder } from "../database/one-plan.ts";
import { noGroupBound, onConnectionsOf } from "../queue/boss.ts";
import { remindToDeliver } from "../queue/deliver-job.ts";
import { eventsPerShipment, type ShipmentJob, shipmentPayload, shipmentQueueOf } from "../queue/queues.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";
import { beginDue } from "./begin-due.ts";
import { endUnreadable, handBack } from "./hand-back.ts";
import { listTakenElsewhere } from "./jobs-under-way.ts";
import type { EndedShipment, OpenShipments, ShippedEvent } from "./open-shipments.ts";
import { readPending } from "./read-pending.ts";
import { fetchUnlessResting } from "./rests.ts";
import type { TakeDeps } from "./take-deps.ts";
import type { TakenJob, TakeOptions } from "./take-jobs.ts";

export type ShipmentDeps = TakeDeps & {
  open: OpenShipments;
  /** Deletes the jobs of shipments that have ended; at once when left out. */
  deleteEnded?: (ended: readonly EndedShipment[]) => Promise<void>;
};

/** When an event is tried again whose customer another worker has under way, that goes alone, or whose shard failed. */
const againAfterMs = 100;
/** Several times as much as there is room for: to fetch a shipment costs nearly as much as to fetch several. */
const roomsAhead = 4;

/**
 * Takes up to `room` events of a meter out of shipments, and counts an attempt at each. What there is no room for waits here,
 * without an attempt. An event that may not be sent now gets a reminder of its own. `found` tells how many events there
 * were to do something with.
 */
export async function takeShipped(
  deps: ShipmentDeps,
  meter: MeterName,
  { room, manyOfEach = false, leaseSeconds, sendableUntil }: TakeOptions,
): Promise<{ found: number; taken: TakenJob[] }> {
  const { open } = deps;
  const clocks = { leaseSeconds, sendableUntil };
  const missing = room - open.waiting(meter);
  const ahead = roomsAhead * room - open.waiting(meter);
  const fetched = missing > 0 ? await fetchShipments(deps, meter, ahead) : 0;
  const due = open.draw(meter, { room, oneOfEach: !manyOfEach });
  if (due.length === 0) return { found: fetched, taken: [] };
  const { begun, busy, alone, notBegun, failed } = await begin(deps, meter, {
    due,
    manyOfEach,
    ...clocks,
  }).catch((error: unknown) => {
    open.putBack(due, againAfterMs);
    throw error;
  });
  open.putBack([...busy, ...alone, ...failed], againAfterMs);
  if (notBegun.length > 0) await unload(deps, meter, notBegun);
  const taken = begun.map(({ attempt, due: { traceparent } }) => ({ attempt, traceparent }));
  return { found: fetched + due.length, taken };
}

async function begin(
  deps: ShipmentDeps,
  meter: MeterName,
  {
    due,
    manyOfEach,
    ...clocks
  }: Omit<Required<TakeOptions>, "room" | "onlyHurried"> & { due: readonly ShippedEvent[] },
) {
  const elsewhere = manyOfEach ? undefined : await listTakenElsewhere(deps.db, meter, deps.open.jobs());
  return beginDue(deps, meter, { due, ...clocks, elsewhere });
}

/** These events of shipments have come to an end here; ends the shipments that have no others. */
export async function endShipped(deps: ShipmentDeps, meterEventIds: readonly string[]): Promise<void> {
  const ended = deps.open.end(meterEventIds);
  if (ended.length === 0) return;
  await (deps.deleteEnded?.(ended) ?? deleteShipments(deps, ended));
}

/** Where the database refuses, it is tried again in the background. */
export async function deleteShipments(deps: ShipmentDeps, ended: readonly EndedShipment[]): Promise<void> {
  for (const meter of meterNames) {
    const jobs = ended.filter((one) => one.meter === meter).map(({ job }) => job);
    if (jobs.length === 0) continue;
    await handBack(deps, { meter, count: jobs.length }, () =>
      deps.boss.deleteJob(shipmentQueueOf(meter), jobs),
    );
  }
  deps.open.forget(ended);
}

/**
 * Gives a reminder of its own to each event that has not begun for so long, and may now go by any worker.
 */
export async function unloadLate(deps: ShipmentDeps, longerThanMs: number): Promise<void> {
  for (const meter of meterNames) {
    const late = deps.open.drawLate(meter, longerThanMs);
    if (late.length > 0) await unload(deps, meter, late);
  }
}

async function fetchShipments(deps: ShipmentDeps, meter: MeterName, events: number): Promise<number> {
  const { db, boss, open, emptyQueues } = deps;
  const queue = shipmentQueueOf(meter);
  const jobs = await fetchUnlessResting(emptyQueues, queue, () =>
    inIndexOrder(db, (one) =>
      boss.fetch<ShipmentJob>(queue, {
        batchSize: Math.ceil(events / eventsPerShipment),
        groupConcurrency: noGroupBound,
        db: onConnectionsOf(one),
      }),
    ),
  );
  const foreign: Job[] = [];
  for (const job of jobs) {
    const payload = shipmentPayload.safeParse(job.data);
    if (!payload.success) {
      foreign.push(job);
      continue;
    }
    const due = payload.data.events.map(({ traceparent, ...key }) => ({ key, traceparent }));
    open.add(meter, job, due);
    // A worker was lost with it: its events go on one by one, and each goes alone before it is rejected for killing workers.
    if (job.retryCount > 0) await unload(deps, meter, open.drawShipment(meter, job.id));
  }
  await endUnreadable(deps, meter, { queue, jobs: foreign });
  return jobs.length;
}

/** Gives each of these events that is pending a reminder of its own; then they have come to an end here. */
async function unload(deps: ShipmentDeps, meter: MeterName, events: readonly ShippedEvent[]): Promise<void> {
  const work = async () => {
    const { pending, unread } = await readPending(deps, { due: events });
    const traces = new Map(events.map(({ key, traceparent }) => [key.meterEventId, traceparent]));
    const reminders = [...pending.values()].map((one) => ({
      ...one,
      traceparent: traces.get(one.meterEventId),
    }));
    await remindToDeliver(deps.boss, reminders);
    // The lease of a shipment whose events cannot be read ends, and it comes back.
    const isUnread = new Set(unread);
    const ended = events.filter((event) => !isUnread.has(event)).map(({ key }) => key.meterEventId);
    await endShipped(deps, ended);
  };
  await handBack(deps, { meter, count: events.length }, work);
}

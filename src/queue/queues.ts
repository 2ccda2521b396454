import type { Queue } from "pg-boss";
import { z } from "zod";
import { type MeterName, meterNames } from "../usage/meters.ts";

/** How pg-boss treats a queue's jobs. Every queue of the service is in this file. */
type QueueDefinition = {
  name: string;
  options: Omit<Queue, "name">;
  /** UTC, five fields. */
  cron?: string;
};

/**
 * Seals due entries, then sends itself again after SEAL_INTERVAL_SECONDS. `short` keeps one waiting job at most. The
 * seal's own advisory lock, not pg-boss, keeps two from running at once, so that the job of a killed worker holds up
 * nothing.
 */
export const sealQueue = {
  name: "seal-entries",
  options: { policy: "short", retryLimit: 0, expireInSeconds: 300, deleteAfterSeconds: 3_600 },
} as const satisfies QueueDefinition;

/** A date, which pg-boss keeps as JSON does. */
const moment = z.iso.datetime().pipe(z.coerce.date());

/** A seal that ended before it was done, and goes on with its own cut-off until the next turn is due. */
const unfinishedSeal = z.object({
  cutOff: moment,
  heldBack: z.array(z.enum(meterNames)),
  nextTurnAt: moment,
});

/** `evenIfPaused`: an operator asked for it. What is malformed is no reason to leave the seal undone. */
export const sealJobPayload = z.object({
  evenIfPaused: z.boolean().default(false).catch(false),
  goesOn: unfinishedSeal.optional().catch(undefined),
});
export type SealJob = z.infer<typeof sealJobPayload>;

/**
 * One queue for each meter, so that a paused meter holds up no other, and one job for each meter event: the reminder
 * to deliver it. `exclusive` with the event's id as singleton key makes a second reminder for the same event vanish,
 * so re-creating reminders is always safe. Retries have no practical end here: an event's own age decides when to
 * stop.
 */
const deliverQueueOptions = {
  policy: "exclusive",
  retryLimit: 10_000,
  retryDelay: 5,
  retryBackoff: true,
  retryDelayMax: 900,
  expireInSeconds: 45,
  retentionSeconds: 40 * 86_400,
  deleteAfterSeconds: 3_600,
} as const satisfies Omit<Queue, "name">;

/** Continues the trace in which the job was made. A malformed value is no reason to leave the job undone. */
const traceparent = z.string().optional().catch(undefined);

export const deliverJobPayload = z.object({
  organizationId: z.uuid(),
  meterEventId: z.uuid(),
  traceparent,
});
export type DeliverJob = z.infer<typeof deliverJobPayload>;

/** The name of a meter's deliver queue. */
export function deliverQueueOf(meter: MeterName): string {
  return `deliver-${meter}`;
}

/** Events that one job reminds of, at most. */
export const eventsPerShipment = 50;

/** A shipment: one job for the first attempts at many events of different organizations. */
export const shipmentPayload = z.object({ events: z.array(deliverJobPayload).min(1) });
export type ShipmentJob = z.infer<typeof shipmentPayload>;

/** The name of a meter's queue of shipments. */
export function shipmentQueueOf(meter: MeterName): string {
  return `ship-${meter}`;
}

/** Makes the coming months' partitions, daily. */
export const partitionsQueue = {
  name: "ensure-partitions",
  options: {
    policy: "short",
    retryLimit: 5,
    retryDelay: 60,
    retryBackoff: true,
    deleteAfterSeconds: 604_800,
  },
  cron: "17 3 * * *",
} as const satisfies QueueDefinition;

/**
 * Drops months that are past their retention, daily, and again in an hour when one was busy. It counts the rows before,
 * which may take long.
 */
export const retentionQueue = {
  name: "drop-partitions",
  options: {
    policy: "short",
    retryLimit: 5,
    retryDelay: 600,
    retryBackoff: true,
    expireInSeconds: 14_400,
    deleteAfterSeconds: 604_800,
  },
  cron: "53 3 * * *",
} as const satisfies QueueDefinition;

/**
 * One job for each webhook event. The inbox counts the attempts after which an event is a dead letter; these retries
 * only have to last longer than an outage of Stripe's.
 */
export const stripeEventsQueue = {
  name: "apply-stripe-event",
  options: {
    policy: "exclusive",
    retryLimit: 10_000,
    retryDelay: 5,
    retryBackoff: true,
    retryDelayMax: 900,
    expireInSeconds: 120,
    retentionSeconds: 40 * 86_400,
    deleteAfterSeconds: 3_600,
  },
} as const satisfies QueueDefinition;

export const stripeEventJobPayload = z.object({ eventId: z.string(), traceparent });

/**
 * Reads a customer at Stripe that an operator has just linked; one waiting job serves all links made before it runs.
 */
export const readCustomerQueue = {
  name: "read-customer",
  options: {
    policy: "short",
    retryLimit: 10_000,
    retryDelay: 2,
    retryBackoff: true,
    retryDelayMax: 300,
    expireInSeconds: 120,
    retentionSeconds: 40 * 86_400,
    deleteAfterSeconds: 3_600,
  },
} as const satisfies QueueDefinition;

export const readCustomerPayload = z.object({ organizationId: z.uuid() });

/** Counts active sensors at every full hour. The primary key of the count, not pg-boss, makes it happen once. */
export const sensorsQueue = {
  name: "count-sensors",
  options: { policy: "short", retryLimit: 20, retryDelay: 15, retryBackoff: true, retryDelayMax: 300 },
  cron: "0 * * * *",
} as const satisfies QueueDefinition;

/** Deletes webhook events that Stripe cannot send again, daily. */
export const purgeQueue = {
  name: "purge-stripe-events",
  options: { policy: "short", retryLimit: 5, retryDelay: 60, retryBackoff: true },
  cron: "41 3 * * *",
} as const satisfies QueueDefinition;

/**
 * Looks every minute whether a comparison with Stripe's sums is due. The rows say what is due and which worker compares
 * it, so two runs at once do no harm.
 */
export const reconcileQueue = {
  name: "reconcile",
  options: { policy: "short", retryLimit: 0, expireInSeconds: 600, deleteAfterSeconds: 3_600 },
  cron: "* * * * *",
} as const satisfies QueueDefinition;

/** One job for each comparison that an operator asks for. */
export const reconcileRequestQueue = {
  name: "answer-reconcile-request",
  options: {
    policy: "exclusive",
    retryLimit: 5,
    retryDelay: 2,
    retryBackoff: true,
    retryDelayMax: 60,
    expireInSeconds: 600,
    deleteAfterSeconds: 3_600,
  },
} as const satisfies QueueDefinition;

export const reconcileRequestPayload = z.object({ organizationId: z.uuid(), requestId: z.uuid() });

export const queues: readonly QueueDefinition[] = [
  sealQueue,
  partitionsQueue,
  retentionQueue,
  stripeEventsQueue,
  readCustomerQueue,
  sensorsQueue,
  purgeQueue,
  reconcileQueue,
  reconcileRequestQueue,
  ...meterNames.flatMap((meter) => [
    { name: deliverQueueOf(meter), options: deliverQueueOptions },
    // A shipment is known by its job's id.
    { name: shipmentQueueOf(meter), options: { ...deliverQueueOptions, policy: "standard" as const } },
  ]),
];

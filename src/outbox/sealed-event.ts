import type { Reminder } from "../queue/deliver-job.ts";

/** A meter event as a seal has made it. `traceparents`: of the first entries that were stored under a trace. */
export type SealedEvent = Reminder & {
  entries: number;
  quantity: string;
  traceparents: string[] | null;
  shipmentId: string | null;
  /** Another path has billed it: it is not to be sent. */
  isBilledElsewhere: boolean;
};

/** Entries that one meter event's span links to at most. */
export const entryTracesMax = 32;

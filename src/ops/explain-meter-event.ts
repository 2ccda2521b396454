import type { Kysely } from "kysely";
import type { DB } from "../database/schema.ts";
import {
  type DeliveryAttempt,
  findMeterEvent,
  listAttempts,
  type MeterEvent,
} from "../delivery/meter-events.ts";
import { type Entry, listEntriesOf } from "../outbox/entries.ts";
import { type EventReading, listEventReadings } from "../outbox/event-readings.ts";

export type Explanation = {
  event: MeterEvent;
  attempts: DeliveryAttempt[];
  entries: Entry[];
  /** The first of them only. */
  readings: EventReading[];
};

/** All that stands behind a meter event, with its first `readingsMax` readings; undefined when there is none. */
export async function explainMeterEvent(
  db: Kysely<DB>,
  meterEventId: string,
  { readingsMax }: { readingsMax: number },
): Promise<Explanation | undefined> {
  const event = await findMeterEvent(db, meterEventId);
  if (event === undefined) return undefined;
  const key = { organizationId: event.organizationId, meterEventId };
  const attempts = await listAttempts(db, event);
  const entries = await listEntriesOf(db, key);
  const readings = await listEventReadings(db, key, { limit: readingsMax });
  return { event, attempts, entries, readings };
}

import { isMonthDropped } from "../../database/retention.ts";
import type { Db } from "../../database/db.ts";
import {
  type DeliveryAttempt,
  findMeterEvent,
  listAttempts,
  type MeterEvent,
} from "../../delivery/meter-events.ts";
import { type Entry, listEntriesOf } from "../../outbox/entries.ts";
import { type Confirmation, findConfirmation } from "../../reconciliation/confirmation.ts";
import { type Evidence, findEvidence } from "../../reconciliation/doubt/evidence.ts";
import { findWindowSum, type WindowSum } from "../../reconciliation/window-sum.ts";
import { type EventReading, listEventReadings } from "../../outbox/event-readings.ts";
import { areEntriesDropped, readSealedEvents, type SealedEvents } from "../../outbox/sealed-events.ts";

export type Explanation = {
  event: MeterEvent;
  sealed: SealedEvents;
  attempts: DeliveryAttempt[];
  entries: Entry[];
  /** The parts that retention has dropped, so that they are missing here. */
  dropped: DroppedPart[];
  /** What the latest comparison with Stripe's sums says of a window that holds it. */
  confirmation: Confirmation | undefined;
  evidence: Evidence | undefined;
  /** The newest look at Stripe's sum of its window, whatever it says. */
  windowSum: WindowSum | undefined;
};

type DroppedPart = "attempts" | "entries";
export type ExplanationWithReadings = Explanation & {
  /** Only the first readings. */
  readings: EventReading[];
};

/** The requests and entries behind a meter event; undefined when there is none. */
export async function explainMeterEvent(db: Db, meterEventId: string): Promise<Explanation | undefined> {
  const event = await findMeterEvent(db, meterEventId);
  if (event === undefined) return undefined;
  const attempts = await listAttempts(db, event);
  const sealed = await readSealedEvents(db, event);
  const entries = await listEntriesOf(db, sealed);
  const dropped = await findDroppedParts(db, event, sealed);
  const evidence = await findEvidence(db, { organizationId: event.organizationId, meterEventId });
  const confirmation = await findConfirmation(db, event);
  const windowSum = await findWindowSum(db, event);
  return { event, sealed, attempts, entries, dropped, confirmation, evidence, windowSum };
}

/** The same, with its first `readingsMax` readings. */
export async function explainWithReadings(
  db: Db,
  meterEventId: string,
  { readingsMax }: { readingsMax: number },
): Promise<ExplanationWithReadings | undefined> {
  const explained = await explainMeterEvent(db, meterEventId);
  if (explained === undefined) return undefined;
  return { ...explained, readings: await listEventReadings(db, explained.sealed, { limit: readingsMax }) };
}

async function findDroppedParts(
  db: Db,
  { firstAttemptAt: first }: MeterEvent,
  sealed: SealedEvents,
): Promise<DroppedPart[]> {
  const areAttempts =
    first !== null && (await isMonthDropped(db, { table: "delivery_attempts", first, last: first }));
  const areEntries = await areEntriesDropped(db, sealed);
  return [...(areAttempts ? ["attempts" as const] : []), ...(areEntries ? ["entries" as const] : [])];
}

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

export type Explanation = {
  event: MeterEvent;
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
  const entries = await listEntriesOf(db, { organizationId: event.organizationId, meterEventId });
  const dropped = await findDroppedParts(db, event);
  const evidence = await findEvidence(db, { organizationId: event.organizationId, meterEventId });
  const confirmation = await findConfirmation(db, event);
  const windowSum = await findWindowSum(db, event);
  return { event, attempts, entries, dropped, confirmation, evidence, windowSum };
}

/** The same, with its first `readingsMax` readings. */
export async function explainWithReadings(
  db: Db,
  meterEventId: string,
  { readingsMax }: { readingsMax: number },
): Promise<ExplanationWithReadings | undefined> {
  const explained = await explainMeterEvent(db, meterEventId);
  if (explained === undefined) return undefined;
  const key = { organizationId: explained.event.organizationId, meterEventId };
  return { ...explained, readings: await listEventReadings(db, key, { limit: readingsMax }) };
}

async function findDroppedParts(db: Db, { hour, firstAttemptAt }: MeterEvent): Promise<DroppedPart[]> {
  const areAttempts =
    firstAttemptAt !== null && (await isMonthDropped(db, { table: "delivery_attempts", at: firstAttemptAt }));
  const areEntries = await isMonthDropped(db, { table: "meter_outbox", at: hour });
  return [...(areAttempts ? ["attempts" as const] : []), ...(areEntries ? ["entries" as const] : [])];
}

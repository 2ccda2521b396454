import { z } from "zod";
import type { Simulation } from "../state.ts";
import { foundInvalid, lateRefusalCodes, noteAsyncError } from "../usage/async-error.ts";
import { withdrawUsage, type EventRecord } from "../usage/ledger.ts";

const choice = {
  /** Only these. */
  identifiers: z.array(z.string()).optional(),
  customer: z.string().optional(),
  event_name: z.string().optional(),
  /** So many at most, the oldest first. */
  limit: z.int().nonnegative().optional(),
};

/** Which of the counted events; all when nothing is named. */
export const chosenUsageSchema = z.strictObject(choice);

export const usageRefusalSchema = z.strictObject({
  ...choice,
  code: z.enum(lateRefusalCodes).default("meter_event_customer_not_found"),
});

export type ChosenUsage = z.infer<typeof chosenUsageSchema>;
export type UsageRefusal = z.input<typeof usageRefusalSchema>;

/** Forgets identifiers before their time: an event that comes again is counted again. */
export function forgetIdentifiers(state: Simulation, chosen: ChosenUsage): { forgotten: number } {
  const records = chosenRecords(state, chosen).filter(({ isForgotten }) => !isForgotten);
  for (const record of records) record.isForgotten = true;
  return { forgotten: records.length };
}

/**
 * Finds events invalid that were accepted and counted: they leave the sums, and the next error report tells of them.
 * That validation comes after the answer is certain; that a sum may have shown the event meanwhile is our guess.
 */
export function refuseUsage(
  state: Simulation,
  { code, ...chosen }: z.output<typeof usageRefusalSchema>,
): { refused: string[] } {
  const records = chosenRecords(state, chosen);
  for (const record of records) {
    noteAsyncError(state.asyncErrors, record.origin, {
      code,
      message: foundInvalid,
      eventName: record.meter.eventName,
      identifier: record.identifier,
      customer: record.counts[0]?.customer ?? null,
      receivedAtMs: record.acceptedAtMs,
    });
    withdrawUsage(state.ledger, record);
  }
  return { refused: records.map(({ identifier }) => identifier) };
}

function chosenRecords({ ledger }: Simulation, chosen: ChosenUsage): EventRecord[] {
  const identifiers = chosen.identifiers === undefined ? undefined : new Set(chosen.identifiers);
  return [...ledger.records.values()]
    .filter(
      ({ identifier, meter, counts }) =>
        counts.length > 0 &&
        (identifiers?.has(identifier) ?? true) &&
        meter.eventName === (chosen.event_name ?? meter.eventName) &&
        (chosen.customer === undefined || counts.some(({ customer }) => customer === chosen.customer)),
    )
    .slice(0, chosen.limit);
}

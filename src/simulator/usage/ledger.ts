import { parseDecimal, type Decimal } from "../decimal.ts";
import { hourSeconds, type Meter } from "./meter.ts";

export type Intake = "v1" | "v2" | "stream";

/** One time that usage was counted. */
export type Count = {
  customer: string;
  valueText: string;
  value: Decimal;
  timestamp: number;
  receivedAtMs: number;
  sequence: number;
  record: EventRecord;
};

/** The request that an identifier was accepted from. */
export type Origin = {
  api: Intake;
  requestId: string;
  idempotencyKey: string | undefined;
  livemode: boolean;
};

/** Everything known about one identifier. More than one count means that a customer was billed twice. */
export type EventRecord = {
  identifier: string;
  meter: Meter;
  counts: Count[];
  /** Every request that carried the identifier, refused ones included. */
  requestIds: string[];
  acceptedAtMs: number;
  origin: Origin;
  /** Whether Stripe has forgotten the identifier before its time, so that it would be counted again. */
  isForgotten: boolean;
  cancelledAtMs: number | undefined;
};

/** Stripe's memory of usage, indexed by identifier and by meter, customer and hour. */
export type Ledger = {
  records: Map<string, EventRecord>;
  hours: Map<string, Map<number, Count[]>>;
  countsTotal: number;
  doublesTotal: number;
  /** The number of the latest count; a number is never given twice. */
  sequence: number;
};

/** Creates the empty ledger. */
export function createLedger(): Ledger {
  return { records: new Map(), hours: new Map(), countsTotal: 0, doublesTotal: 0, sequence: 0 };
}

type Acceptance = { key: string; identifier: string; meter: Meter; origin: Origin; nowMs: number };

/** Remembers an identifier that was accepted, whether or not its usage counts. */
export function rememberIdentifier(ledger: Ledger, acceptance: Acceptance): EventRecord {
  const { key, identifier, meter, origin, nowMs } = acceptance;
  const known = ledger.records.get(key);
  if (known !== undefined) {
    known.requestIds.push(origin.requestId);
    return Object.assign(known, { acceptedAtMs: nowMs, origin, isForgotten: false });
  }
  const record = {
    identifier,
    meter,
    counts: [],
    requestIds: [origin.requestId],
    acceptedAtMs: nowMs,
    origin,
    isForgotten: false,
    cancelledAtMs: undefined,
  };
  ledger.records.set(key, record);
  return record;
}

type Usage = { meter: Meter; customer: string; value: string; timestamp: number; nowMs: number };

/** Counts usage once. A second count of the same identifier is a double billing, and is recorded as one. */
export function countUsage(ledger: Ledger, record: EventRecord, usage: Usage): void {
  ledger.countsTotal += 1;
  if (record.counts.length > 0) ledger.doublesTotal += 1;
  ledger.sequence += 1;
  const count = {
    customer: usage.customer,
    valueText: usage.value,
    value: parseDecimal(usage.value),
    timestamp: usage.timestamp,
    receivedAtMs: usage.nowMs,
    sequence: ledger.sequence,
    record,
  };
  record.counts.push(count);
  hourOf(ledger, usage).push(count);
}

/** Takes the usage of an identifier out of every sum again; the identifier stays used. */
export function withdrawUsage(ledger: Ledger, record: EventRecord): void {
  for (const { customer, timestamp } of record.counts) {
    const hours = ledger.hours.get(usageKey(record.meter.id, customer));
    const hour = Math.floor(timestamp / hourSeconds);
    const others = hours?.get(hour)?.filter((count) => count.record !== record);
    if (others !== undefined) hours?.set(hour, others);
  }
  ledger.countsTotal -= record.counts.length;
  ledger.doublesTotal -= Math.max(0, record.counts.length - 1);
  record.counts = [];
}

/** The key of a customer's usage of a meter in `Ledger.hours`. */
export function usageKey(meterId: string, customer: string): string {
  return `${meterId} ${customer}`;
}

function hourOf(ledger: Ledger, { meter, customer, timestamp }: Usage): Count[] {
  const key = usageKey(meter.id, customer);
  const hours = ledger.hours.get(key) ?? new Map<number, Count[]>();
  ledger.hours.set(key, hours);
  const hour = Math.floor(timestamp / hourSeconds);
  const counts = hours.get(hour) ?? [];
  hours.set(hour, counts);
  return counts;
}

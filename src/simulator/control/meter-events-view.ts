import type { Simulation } from "../state.ts";
import type { EventRecord } from "../usage/ledger.ts";

export type MeterEventFilter = {
  identifier?: string | undefined;
  event_name?: string | undefined;
  customer?: string | undefined;
  /** Only those that were counted more than once. */
  double_counted?: boolean | undefined;
  limit?: number | undefined;
  offset?: number | undefined;
};

export type MeterEventView = {
  identifier: string;
  event_name: string;
  customer: string;
  value: string;
  timestamp: number;
  received_at: string;
  times_counted: number;
  /** Every count after the first, with the value and time it came with. */
  recounts: { value: string; timestamp: number; received_at: string }[];
  request_ids: string[];
  cancelled: boolean;
};

/** Everything that was counted, in order of arrival; `total` is the number of matches before `limit`. */
export function meterEventsView(
  state: Simulation,
  filter: MeterEventFilter = {},
): { data: MeterEventView[]; total: number } {
  const matching = [...state.ledger.records.values()].filter((record) => isMatch(record, filter));
  const offset = filter.offset ?? 0;
  const page = matching.slice(offset, offset + (filter.limit ?? matching.length));
  return { data: page.flatMap((record) => viewOf(record) ?? []), total: matching.length };
}

function isMatch(record: EventRecord, filter: MeterEventFilter): boolean {
  const first = record.counts[0];
  return (
    first !== undefined &&
    (filter.identifier === undefined || record.identifier === filter.identifier) &&
    (filter.event_name === undefined || record.meter.eventName === filter.event_name) &&
    (filter.customer === undefined || first.customer === filter.customer) &&
    (filter.double_counted !== true || record.counts.length > 1)
  );
}

function viewOf(record: EventRecord): MeterEventView | undefined {
  const [first, ...others] = record.counts;
  if (first === undefined) return undefined;
  return {
    identifier: record.identifier,
    event_name: record.meter.eventName,
    customer: first.customer,
    value: first.valueText,
    timestamp: first.timestamp,
    received_at: isoTime(first.receivedAtMs),
    times_counted: record.counts.length,
    recounts: others.map(({ valueText, timestamp, receivedAtMs }) => ({
      value: valueText,
      timestamp,
      received_at: isoTime(receivedAtMs),
    })),
    request_ids: record.requestIds,
    cancelled: record.cancelledAtMs !== undefined,
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

import { formatDecimal } from "../decimal.ts";
import type { Simulation } from "../state.ts";
import { aggregateCounts, collectCounts } from "../usage/aggregate.ts";
import type { Meter } from "../usage/meter.ts";

export type BillFilter = {
  customer?: string | undefined;
  /** Unix seconds, inclusive. */
  start_time?: number | undefined;
  /** Unix seconds, exclusive. */
  end_time?: number | undefined;
};

export type BillLine = {
  customer: string;
  event_name: string;
  aggregation: Meter["formula"];
  /** An exact decimal. */
  total: string;
  /** How many counts went into the total; a double count goes in twice, as it would at Stripe. */
  counts: number;
};

/** The total per customer and meter, without any delay of summaries. Customers without usage have no line. */
export function billView(state: Simulation, filter: BillFilter = {}): { data: BillLine[] } {
  const data: BillLine[] = [];
  for (const key of state.ledger.hours.keys()) {
    const [meterId = "", customer = ""] = key.split(" ");
    const meter = state.meters.get(meterId);
    if (meter === undefined || (filter.customer !== undefined && filter.customer !== customer)) continue;
    const counts = collectCounts(state.ledger, {
      meter,
      customer,
      start: filter.start_time ?? -Infinity,
      end: filter.end_time ?? Infinity,
    });
    if (counts.length === 0) continue;
    const rule = { formula: meter.formula, lastOrder: state.settings.last_order };
    data.push({
      customer,
      event_name: meter.eventName,
      aggregation: meter.formula,
      total: formatDecimal(aggregateCounts(counts, rule)),
      counts: counts.length,
    });
  }
  return { data };
}

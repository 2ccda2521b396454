import { addDecimals, zero, type Decimal } from "../decimal.ts";
import { usageKey, type Count, type Ledger } from "./ledger.ts";
import { hourSeconds, type Meter } from "./meter.ts";

type Range = {
  meter: Meter;
  customer: string;
  start: number;
  end: number;
  /** Where sums lag, whether one shows the count already. */
  isVisible?: (count: Count) => boolean;
};

/** The counts of a customer in [start, end), unix seconds; all that were received, unless sums lag. */
export function collectCounts(ledger: Ledger, range: Range): Count[] {
  const hours = ledger.hours.get(usageKey(range.meter.id, range.customer));
  if (hours === undefined) return [];
  const found: Count[] = [];
  for (const [hour, counts] of hours) {
    if ((hour + 1) * hourSeconds <= range.start || hour * hourSeconds >= range.end) continue;
    for (const count of counts) if (isInside(count, range)) found.push(count);
  }
  return range.meter.windowSeconds === undefined ? found : latestPerWindow(found, range.meter.windowSeconds);
}

/** Folds counts the way the meter says; nothing counted is 0. */
export function aggregateCounts(
  counts: readonly Count[],
  { formula, lastOrder }: { formula: Meter["formula"]; lastOrder: "timestamp" | "arrival" },
): Decimal {
  switch (formula) {
    case "sum":
      return counts.reduce((sum, count) => addDecimals(sum, count.value), zero);
    case "count":
      return { unscaled: BigInt(counts.length), scale: 0 };
    case "last":
      return latest(counts, lastOrder)?.value ?? zero;
  }
}

function isInside(count: Count, range: Range): boolean {
  return (
    count.timestamp >= range.start &&
    count.timestamp < range.end &&
    range.isVisible?.(count) !== false &&
    count.record.cancelledAtMs === undefined
  );
}

/** docs on `event_time_window`: only the event received most recently counts per hour or day (certain, untested). */
function latestPerWindow(counts: Count[], windowSeconds: number): Count[] {
  const byWindow = new Map<number, Count>();
  for (const count of counts) {
    const window = Math.floor(count.timestamp / windowSeconds);
    const known = byWindow.get(window);
    if (known === undefined || known.sequence < count.sequence) byWindow.set(window, count);
  }
  return [...byWindow.values()];
}

function latest(counts: readonly Count[], order: "timestamp" | "arrival"): Count | undefined {
  let last: Count | undefined;
  for (const count of counts) if (last === undefined || isLater(count, last, order)) last = count;
  return last;
}

function isLater(a: Count, b: Count, order: "timestamp" | "arrival"): boolean {
  if (order === "timestamp" && a.timestamp !== b.timestamp) return a.timestamp > b.timestamp;
  return a.sequence > b.sequence;
}

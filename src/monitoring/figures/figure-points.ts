import type { MeterName } from "../../usage/meters.ts";
import { type Latencies, mergeLatencies, percentileOf } from "./latencies.ts";

/** Figures of one meter and step of time, as they are folded in the database. */
export type FigureRow = {
  at: Date;
  meter: string;
  /** How many of the step's minutes were counted. */
  minutes: number;
  quantity: number;
  delivered: number;
  rejected: number;
  retried: number;
  unanswered: number;
  latencies: Latencies;
  /** Null where no worker looked. */
  unsealedSeconds: number | null;
  pendingSeconds: number | null;
};

/** All that is drawn of one step of time. Null: it was not counted, or there was nothing to time. */
export type FigurePoint = {
  at: Date;
  /** Usage of this meter taken in a second. */
  intakePerSecond: Partial<Record<MeterName, number>>;
  /** Attempts a minute. */
  perMinute: Record<"delivered" | "rejected" | "retried" | "unanswered", number> | null;
  sealLagSeconds: number | null;
  backlogSeconds: number | null;
  /** Milliseconds. */
  latency: Record<"p50" | "p95" | "p99", number> | null;
};

export type Steps = { from: Date; stepSeconds: number; steps: number };

/** A point for each step, the earliest first; all meters together, but for the intake. Pure. */
export function figurePoints(rows: readonly FigureRow[], { from, stepSeconds, steps }: Steps): FigurePoint[] {
  const byTime = Map.groupBy(rows, ({ at }) => at.getTime());
  return Array.from({ length: steps }, (_, step) => {
    const at = new Date(from.getTime() + step * stepSeconds * 1_000);
    return pointOf(at, byTime.get(at.getTime()) ?? []);
  });
}

function pointOf(at: Date, rows: readonly FigureRow[]): FigurePoint {
  const minutes = Math.max(0, ...rows.map((row) => row.minutes));
  const rate = (of: (row: FigureRow) => number) => rows.reduce((sum, row) => sum + of(row), 0) / minutes;
  const latencies = mergeLatencies(rows.map((row) => row.latencies));
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => percentileOf(latencies, share));
  return {
    at,
    intakePerSecond: Object.fromEntries(
      rows.map(({ meter, quantity, minutes: counted }) => [meter, quantity / (counted * 60)]),
    ),
    perMinute:
      minutes === 0
        ? null
        : {
            delivered: rate((row) => row.delivered),
            rejected: rate((row) => row.rejected),
            retried: rate((row) => row.retried),
            unanswered: rate((row) => row.unanswered),
          },
    sealLagSeconds: largest(rows.map((row) => row.unsealedSeconds)),
    backlogSeconds: largest(rows.map((row) => row.pendingSeconds)),
    latency:
      typeof p50 === "number" && typeof p95 === "number" && typeof p99 === "number"
        ? { p50, p95, p99 }
        : null,
  };
}

function largest(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}

/** A stretch of time, from `start` (inclusive) until `end` (exclusive). */
export type Span = { start: Date; end: Date };
export type Grouping = "day" | "hour";

export const minuteMs = 60_000;
export const hourMs = 3_600_000;
export const dayMs = 86_400_000;
const lengthMs = { day: dayMs, hour: hourMs };
/** The last minute of the years that a `PUT` may name, and that Postgres reads as we write them. */
const lastMinuteMs = Date.parse("9999-12-31T23:59:00Z");

/**
 * The whole minutes that hold a billing period. Stripe sums up minutes, and periods begin at any second: the first and the
 * last minute may hold usage of the neighbours, in its sum and in ours. Of a period without an end in sight, which ends with
 * the year 9999, the last minute is left out.
 */
export function wholeMinutes({ start, end }: Span): Span {
  const endMs = Math.min(ceilTo(end, minuteMs).getTime(), lastMinuteMs);
  return { start: floorTo(start, minuteMs), end: new Date(endMs) };
}

/** The UTC days or hours that hold a span, as Stripe groups them. */
export function wholeBuckets({ start, end }: Span, grouping: Grouping): Span {
  return { start: floorTo(start, lengthMs[grouping]), end: ceilTo(end, lengthMs[grouping]) };
}

/** Every day or hour of a span that begins and ends with one. */
export function bucketsOf({ start, end }: Span, grouping: Grouping): Span[] {
  const length = lengthMs[grouping];
  const count = Math.round((end.getTime() - start.getTime()) / length);
  return Array.from({ length: count }, (_, index) => ({
    start: new Date(start.getTime() + index * length),
    end: new Date(start.getTime() + (index + 1) * length),
  }));
}

/** Cuts a span into pieces of at most so many days or hours. */
export function piecesOf({ start, end }: Span, grouping: Grouping, max: number): Span[] {
  const piece = lengthMs[grouping] * max;
  const count = Math.ceil((end.getTime() - start.getTime()) / piece);
  return Array.from({ length: count }, (_, index) => ({
    start: new Date(start.getTime() + index * piece),
    end: new Date(Math.min(start.getTime() + (index + 1) * piece, end.getTime())),
  }));
}

/** What two spans have in common. */
export function overlap(one: Span, other: Span): Span | undefined {
  const start = new Date(Math.max(one.start.getTime(), other.start.getTime()));
  const end = new Date(Math.min(one.end.getTime(), other.end.getTime()));
  return start < end ? { start, end } : undefined;
}

export function floorTo(at: Date, stepMs: number): Date {
  return new Date(Math.floor(at.getTime() / stepMs) * stepMs);
}

export function ceilTo(at: Date, stepMs: number): Date {
  return new Date(Math.ceil(at.getTime() / stepMs) * stepMs);
}

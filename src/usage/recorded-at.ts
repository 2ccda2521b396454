import { z } from "zod";

const hasSeconds = /T\d\d:\d\d:\d\d/i;
/** The years that both a four-digit year and Postgres know. */
const earliestMs = Date.parse("0001-01-01T00:00:00Z");
const latestMs = Date.parse("9999-12-31T23:59:59.999Z");

/** zod takes minutes without seconds too, which RFC 3339 does not. */
export const recordedAtSchema = z.iso
  .datetime({ offset: true, abort: true, error: "must be an RFC 3339 time such as 2026-11-20T10:00:00Z" })
  .refine((text) => hasSeconds.test(text), "must have seconds, such as 2026-11-20T10:00:00Z")
  .refine((text) => isStorable(Date.parse(text)), "must be in the years 1 to 9999");
const fraction = /\.(\d+)/;

/** A moment as the service stores it: RFC 3339 in UTC to the microsecond, so that equal moments are equal strings. */
export type RecordedAt = { canonical: string; epochMs: number };

function isStorable(epochMs: number): boolean {
  return epochMs >= earliestMs && epochMs <= latestMs;
}

/**
 * Reads a time that fits `recordedAtSchema`. Postgres keeps microseconds, so further digits are cut off; gateways that
 * send nanoseconds would otherwise be refused.
 */
export function parseRecordedAt(value: string): RecordedAt {
  const epochMs = Date.parse(value);
  const millisecondForm = new Date(epochMs).toISOString();
  const digits = fraction.exec(value)?.[1] ?? "";
  const microseconds = digits.slice(3, 6).padEnd(3, "0");
  return { canonical: millisecondForm.replace("Z", `${microseconds}Z`), epochMs };
}

/** A time in a question or a cursor as `recorded_at` is stored: Postgres refuses some offsets and fractions, and rounds. */
export const storedTimeSchema = recordedAtSchema.transform((text) => parseRecordedAt(text).canonical);

/**
 * The same for the usual forms, `2026-11-20T10:00:00Z` and `2026-11-20T10:00:00.000Z`, at a fifth of the cost; undefined
 * for every other text, also one that is no time.
 */
export function parseCanonicalForm(value: string): RecordedAt | undefined {
  const { length } = value;
  if ((length !== 20 && length !== 24) || value[10] !== "T" || value[length - 1] !== "Z") return undefined;
  if (value[13] !== ":" || value[16] !== ":") return undefined;
  const dayMs = dayOf(value.slice(0, 10));
  const hours = twoDigits(value, 11);
  const minutes = twoDigits(value, 14);
  const seconds = twoDigits(value, 17);
  const milliseconds = length === 20 ? 0 : millisecondsOf(value);
  // Comparisons with NaN are false.
  if (!(dayMs > -Infinity && hours < 24 && minutes < 60 && seconds < 60 && milliseconds >= 0))
    return undefined;
  return {
    canonical: length === 20 ? `${value.slice(0, 19)}.000000Z` : `${value.slice(0, 23)}000Z`,
    epochMs: dayMs + ((hours * 60 + minutes) * 60 + seconds) * 1_000 + milliseconds,
  };
}

// The readings of a gateway lie close together, so that nearly always the day is the last one.
let lastDay = "";
let lastDayMs = Number.NaN;

/** The first millisecond of a day in the form `2026-11-20`; NaN for every other text, and for days that no month has. */
function dayOf(date: string): number {
  if (date === lastDay) return lastDayMs;
  const epochMs = Date.parse(`${date}T00:00:00.000Z`);
  if (!isStorable(epochMs)) return Number.NaN;
  // Date.parse takes other forms too, and turns 30 February into 2 March.
  if (new Date(epochMs).toISOString().slice(0, 10) !== date) return Number.NaN;
  lastDay = date;
  lastDayMs = epochMs;
  return epochMs;
}

const codeOf0 = 48;

function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - codeOf0;
  return value >= 0 && value <= 9 ? value : Number.NaN;
}

function twoDigits(text: string, at: number): number {
  return digit(text, at) * 10 + digit(text, at + 1);
}

function millisecondsOf(value: string): number {
  return value[19] === "." ? twoDigits(value, 20) * 10 + digit(value, 22) : Number.NaN;
}

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

/**
 * The same for the usual forms, `2026-11-20T10:00:00Z` and `2026-11-20T10:00:00.000Z`; undefined for every other text,
 * also one that is no time.
 */
export function parseCanonicalForm(value: string): RecordedAt | undefined {
  if ((value.length !== 20 && value.length !== 24) || !value.endsWith("Z")) return undefined;
  const epochMs = Date.parse(value);
  if (Number.isNaN(epochMs)) return undefined;
  const millisecondForm = new Date(epochMs).toISOString();
  // Date.parse takes other forms too, and turns 30 February into 2 March.
  const isAlike =
    value.length === 24 ? millisecondForm === value : millisecondForm.startsWith(value.slice(0, 19));
  return isAlike ? { canonical: `${millisecondForm.slice(0, 23)}000Z`, epochMs } : undefined;
}

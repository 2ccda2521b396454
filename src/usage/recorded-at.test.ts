import fc from "fast-check";
import { expect, test } from "vitest";
import { parseCanonicalForm, parseRecordedAt, type RecordedAt, recordedAtSchema } from "./recorded-at.ts";

const canonical = (value: string) => parseRecordedAt(recordedAtSchema.parse(value)).canonical;
const faultsOf = (value: unknown) => recordedAtSchema.safeParse(value).error?.issues ?? [];

test.each([
  ["2026-11-20T10:00:00Z", "2026-11-20T10:00:00.000000Z"],
  ["2026-11-20T10:00:00.5Z", "2026-11-20T10:00:00.500000Z"],
  ["2026-11-20T10:00:00.000001Z", "2026-11-20T10:00:00.000001Z"],
  ["2026-11-20T10:00:00.123456Z", "2026-11-20T10:00:00.123456Z"],
  ["2026-11-20T10:00:00.123456+05:30", "2026-11-20T04:30:00.123456Z"],
  ["2026-12-31T23:30:00-01:00", "2027-01-01T00:30:00.000000Z"],
  ["2028-02-29T00:00:00Z", "2028-02-29T00:00:00.000000Z"],
])("the time %s is stored as %s", (value, stored) => {
  expect(canonical(value)).toBe(stored);
});

test("digits below a microsecond are cut off, never rounded up", () => {
  expect(canonical("2026-11-20T10:00:00.999999999Z")).toBe("2026-11-20T10:00:00.999999Z");
});

test("equal moments are equal strings, whatever offset and precision they were sent with", () => {
  const forms = ["10:00:00Z", "10:00:00.000Z", "12:00:00+02:00", "04:30:00.0000000-05:30", "10:00:00+00:00"];
  expect(new Set(forms.map((form) => canonical(`2026-11-20T${form}`))).size).toBe(1);
});

test("every microsecond of the calendar survives, in every offset", () => {
  const second = fc.integer({ min: 0, max: 4_102_444_799 });
  const microsecond = fc.integer({ min: 0, max: 999_999 });
  const offsetMinutes = fc.integer({ min: -1_439, max: 1_439 });
  fc.assert(
    fc.property(second, microsecond, offsetMinutes, (seconds, microseconds, minutes) => {
      const digits = String(microseconds).padStart(6, "0");
      const whole = (at: number) => new Date(at * 1_000).toISOString().slice(0, 19);
      const sent = `${whole(seconds + minutes * 60)}.${digits}${offset(minutes)}`;

      expect(canonical(sent)).toBe(`${whole(seconds)}.${digits}Z`);
    }),
  );
});

test("a moment is also told in milliseconds, for comparison with now", () => {
  expect(parseRecordedAt("1970-01-01T01:00:01.2345+01:00").epochMs).toBe(1_234);
});

test.each([
  ["a word", "yesterday"],
  ["no text", 1_763_632_800],
  ["a date alone", "2026-11-20"],
  ["a time without an offset", "2026-11-20T10:00:00"],
  ["a time without seconds", "2026-11-20T10:00Z"],
  ["a day that does not exist", "2026-02-29T10:00:00Z"],
  ["an hour that does not exist", "2026-11-20T24:00:00Z"],
  ["an offset without a colon", "2026-11-20T10:00:00+0100"],
  ["an empty fraction", "2026-11-20T10:00:00.Z"],
  ["a space for the T", "2026-11-20 10:00:00Z"],
  ["something after the time", "2026-11-20T10:00:00Z\n"],
  ["a year that Postgres does not know", "0000-06-01T00:00:00Z"],
  ["a moment before the year 1", "0001-01-01T00:00:00+00:01"],
  ["a moment after the year 9999", "9999-12-31T23:59:59-00:01"],
])("%s is refused, with one fault", (_what, value) => {
  expect(faultsOf(value)).toHaveLength(1);
});

function offset(minutes: number): string {
  const digits = (value: number) => String(value).padStart(2, "0");
  const distance = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${digits(Math.trunc(distance / 60))}:${digits(distance % 60)}`;
}

test.each(["2026-11-20T10:00:00Z", "2026-11-20T10:00:00.123Z", "2028-02-29T23:59:59.999Z"])(
  "the usual form of %s is read at once, and alike",
  (value) => {
    expect(parseCanonicalForm(value)).toEqual(parseRecordedAt(value));
  },
);

test.each([
  "2026-02-29T00:00:00Z",
  "0000-02-29T00:00:00Z",
  "2026-11-20T24:00:00Z",
  "2026-11-20T10:00:00z",
  "2026-11-20 10:00:00Z",
  "Fri Nov 20 2026 10Z",
  "+02026-11-20T10:00Z",
])("the unusual %s is left to the schema", (value) => {
  expect(parseCanonicalForm(value)).toBeUndefined();
});

test("whatever is read at once is a time that the schema takes and reads alike", () => {
  const usual = fc.constantFrom("2026-11-20T10:00:00Z", "2024-02-29T23:59:59.999Z");
  const character = fc.oneof(fc.nat(9).map(String), fc.string({ minLength: 1, maxLength: 1 }));
  const changed = fc
    .tuple(usual, fc.nat(23), character)
    .map(([value, place, other]) => value.slice(0, place) + other + value.slice(place + 1));
  const dates = fc.date({ noInvalidDate: true }).map((date) => date.toISOString());
  fc.assert(
    fc.property(fc.oneof(usual, changed, dates), (value) => {
      const read = parseCanonicalForm(value);
      expect(read === undefined || isReadAlike(value, read)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

function isReadAlike(value: string, { canonical: form, epochMs }: RecordedAt): boolean {
  const read = recordedAtSchema.safeParse(value);
  if (!read.success) return false;
  const other = parseRecordedAt(read.data);
  return other.canonical === form && other.epochMs === epochMs;
}

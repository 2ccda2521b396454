import fc from "fast-check";
import { expect, test } from "vitest";
import { judgeReading, readingSchema } from "./reading.ts";

const now = new Date("2026-11-20T12:00:00Z");
const sent = { sensor_id: "freezer-1", recorded_at: "2026-11-20T10:00:00Z", temperature: -18.4 };

const judge = (input: unknown) => judgeReading(input, now, { maxAgeDays: 365 });

test("a reading in order is valid, its time in canonical form", () => {
  expect(judge(sent)).toEqual({
    kind: "valid",
    reading: { sensorId: "freezer-1", recordedAt: "2026-11-20T10:00:00.000000Z", temperature: -18.4 },
  });
});

test.each(["a", "A.b_c:d-9", "__proto__", "x".repeat(128)])("a sensor id may be %s", (sensor_id) => {
  expect(judge({ ...sent, sensor_id })).toMatchObject({ kind: "valid", reading: { sensorId: sensor_id } });
});

test.each([-273.15, -0.1, 0, 5e-324, 1_000_000])("a temperature may be %d", (temperature) => {
  expect(judge({ ...sent, temperature })).toMatchObject({ kind: "valid", reading: { temperature } });
});

test.each([
  ["a clock 5 minutes ahead is tolerated", "2026-11-20T12:05:00Z", "valid"],
  ["a clock further ahead is not", "2026-11-20T12:05:00.001Z", "in_future"],
  ["an age of exactly the limit is taken", "2025-11-20T12:00:00Z", "valid"],
  ["a greater age is not", "2025-11-20T11:59:59.999Z", "too_old"],
])("%s", (_rule, recorded_at, kind) => {
  expect(judge({ ...sent, recorded_at }).kind).toBe(kind);
});

test("the age that is too old is a setting, and told", () => {
  const recorded_at = "2026-11-19T11:00:00Z";
  expect(judgeReading({ ...sent, recorded_at }, now, { maxAgeDays: 1 })).toEqual({
    kind: "too_old",
    detail: "recorded_at is more than 1 days ago",
  });
});

test.each([
  ["an empty sensor id", { sensor_id: "" }, "/sensor_id"],
  ["a sensor id of 129 characters", { sensor_id: "x".repeat(129) }, "/sensor_id"],
  ["a sensor id with a blank", { sensor_id: "a b" }, "/sensor_id"],
  ["a sensor id with a line's end", { sensor_id: "a\n" }, "/sensor_id"],
  ["a sensor id that is a number", { sensor_id: 7 }, "/sensor_id"],
  ["a time that is none", { recorded_at: "yesterday" }, "/recorded_at"],
  ["a time that is null", { recorded_at: null }, "/recorded_at"],
  ["a temperature below absolute zero", { temperature: -273.16 }, "/temperature"],
  ["a temperature in words", { temperature: "-18.4" }, "/temperature"],
  ["a temperature that is not a number", { temperature: Number.NaN }, "/temperature"],
  ["an infinite temperature", { temperature: Number.POSITIVE_INFINITY }, "/temperature"],
  ["a temperature that is null", { temperature: null }, "/temperature"],
])("%s is one invalid field, named by its pointer", (_what, change, pointer) => {
  expect(judge({ ...sent, ...change })).toEqual({
    kind: "invalid",
    faults: [{ pointer, code: "invalid", detail: expect.any(String) as unknown }],
  });
});

test("every missing field is told by its pointer", () => {
  const missing = { code: "missing", detail: "is required" };
  expect(judge({})).toEqual({
    kind: "invalid",
    faults: [
      { pointer: "/sensor_id", ...missing },
      { pointer: "/recorded_at", ...missing },
      { pointer: "/temperature", ...missing },
    ],
  });
});

test("unknown fields are told by their pointers, escaped as RFC 6901 says", () => {
  const input: unknown = JSON.parse(JSON.stringify({ ...sent, "a/b~c": 1 }).replace("}", ',"__proto__":2}'));
  const unknown = { code: "unknown_field", detail: "is not a field of a reading" };
  expect(judge(input)).toEqual({
    kind: "invalid",
    faults: [
      { pointer: "/a~1b~0c", ...unknown },
      { pointer: "/__proto__", ...unknown },
    ],
  });
});

test.each([[null], [7], ["freezer-1"], [[]], [[sent]]])("%j is no reading at all", (input) => {
  expect(judge(input)).toEqual({
    kind: "invalid",
    faults: [{ pointer: "", code: "invalid", detail: "must be an object" }],
  });
});

test("no fault repeats what was sent", () => {
  const secret = "mo_very-secret";
  const verdict = judge({ sensor_id: `${secret} `, recorded_at: secret, temperature: secret });
  expect(verdict).toMatchObject({ kind: "invalid", faults: [{}, {}, {}] });
  expect(JSON.stringify(verdict)).not.toContain(secret);
});

test("a reading is valid, or out of its time, exactly when the schema takes it", () => {
  const sensorIds = fc.oneof(fc.constant("a"), fc.string(), fc.integer());
  const times = fc.oneof(
    fc.constantFrom(sent.recorded_at, "2026-11-20T10:00Z", "2026-02-30T10:00:00Z"),
    fc.string(),
  );
  const temperatures = fc.oneof(
    fc.constantFrom(-273.15, -273.16, Number.POSITIVE_INFINITY, Number.NaN, "4.5", null),
    fc.double(),
  );
  const inputs = fc.record(
    { sensor_id: sensorIds, recorded_at: times, temperature: temperatures, humidity: fc.integer() },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(inputs, (input) => {
      expect(judge(input).kind !== "invalid").toBe(readingSchema.safeParse(input).success);
    }),
    { numRuns: 2_000 },
  );
});

test("of very many faults the first ten are told, short, and the others counted", () => {
  const input = Object.fromEntries(Array.from({ length: 80_000 }, (_, n) => [`${n}${"x".repeat(200)}`, 1]));
  const verdict = judge(input);
  expect(verdict).toMatchObject({ kind: "invalid", faultsLeftOut: 79_993 });
  expect(JSON.stringify(verdict).length).toBeLessThan(3_000);
});

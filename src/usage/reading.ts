import { z } from "zod";
import { jsonPointer } from "./json-pointer.ts";
import { parseCanonicalForm, parseRecordedAt, type RecordedAt, recordedAtSchema } from "./recorded-at.ts";
import { sensorIdPattern, sensorIdSchema } from "./sensor-id.ts";

/** One measured temperature, valid in itself. */
export type Reading = {
  sensorId: string;
  /** Canonical RFC 3339, UTC, microseconds: equal moments are equal strings. */
  recordedAt: string;
  /** Degrees Celsius. */
  temperature: number;
};

/** A fault of one field; `pointer` is a JSON pointer inside the reading, "" for the reading itself. */
export type ReadingFault = { pointer: string; code: string; detail: string };

export type ReadingVerdict =
  | { kind: "valid"; reading: Reading }
  | InvalidReading
  | { kind: "too_old"; detail: string }
  | { kind: "in_future"; detail: string };

/** Of many faults the first few, and how many more there are. */
export type InvalidReading = { kind: "invalid"; faults: ReadingFault[]; faultsLeftOut?: number };

export type ReadingLimits = { maxAgeDays: number };

/** How far a gateway's clock may be ahead of ours. */
const aheadMsMax = 5 * 60_000;
const dayMs = 86_400_000;
const faultsMax = 10;
/** So many fields of a reading are looked at, beside its own three. */
export const fieldsMax = 100;
/** In a reading that was cut as it was parsed: how many of its fields are missing. */
export const fieldsDropped = Symbol("fields dropped");
const pointerCharsMax = 100;
const absoluteZeroCelsius = -273.15;

export const readingSchema = z.strictObject({
  sensor_id: sensorIdSchema,
  recorded_at: recordedAtSchema,
  temperature: z.number("must be a finite number").min(absoluteZeroCelsius, "must be at least −273.15 °C"),
});

/** What the schema says of everything that is no object. One for all of them, since lines of a body may be many. */
const noObject: ReadingVerdict = {
  kind: "invalid",
  faults: [{ pointer: "", code: "invalid", detail: "must be an object" }],
};

/** Judges one element of a request body by itself: its form, and its time against `now`. */
export function judgeReading(input: unknown, now: Date, limits: ReadingLimits): ReadingVerdict {
  const plain = readPlainly(input);
  if (plain !== undefined) return judgeTime(plain, now, limits);
  if (typeof input !== "object" || input === null || Array.isArray(input)) return noObject;
  const { fields, leftOut } = leaveOutMost(input);
  const parsed = readingSchema.safeParse(fields);
  if (!parsed.success) return invalidReading(parsed.error.issues, { fields, leftOut });
  const { sensor_id: sensorId, recorded_at, temperature } = parsed.data;
  return judgeTime({ sensorId, recordedAt: parseRecordedAt(recorded_at), temperature }, now, limits);
}

type TimedReading = { sensorId: string; recordedAt: RecordedAt; temperature: number };

/**
 * A reading in the form that gateways send, told apart at a quarter of what the schema costs; undefined for everything
 * else, which the schema then judges. Takes nothing that the schema refuses, and reads it alike.
 */
function readPlainly(input: unknown): TimedReading | undefined {
  if (typeof input !== "object" || input === null || Object.keys(input).length !== 3) return undefined;
  if (!("sensor_id" in input && "recorded_at" in input && "temperature" in input)) return undefined;
  const { sensor_id: sensorId, recorded_at, temperature } = input;
  if (typeof sensorId !== "string" || !sensorIdPattern.test(sensorId)) return undefined;
  if (typeof temperature !== "number" || !(temperature >= absoluteZeroCelsius)) return undefined;
  // JSON knows no infinity, but reads 1e999 as one.
  if (temperature === Number.POSITIVE_INFINITY || typeof recorded_at !== "string") return undefined;
  const recordedAt = parseCanonicalForm(recorded_at);
  return recordedAt === undefined ? undefined : { sensorId, recordedAt, temperature };
}

function judgeTime(
  { sensorId, recordedAt, temperature }: TimedReading,
  now: Date,
  limits: ReadingLimits,
): ReadingVerdict {
  if (recordedAt.epochMs > now.getTime() + aheadMsMax) {
    return { kind: "in_future", detail: "recorded_at is more than 5 minutes ahead" };
  }
  if (recordedAt.epochMs < now.getTime() - limits.maxAgeDays * dayMs) {
    return { kind: "too_old", detail: `recorded_at is more than ${limits.maxAgeDays} days ago` };
  }
  return { kind: "valid", reading: { sensorId, recordedAt: recordedAt.canonical, temperature } };
}

/** Of very many fields those of a reading and the first few others: to name each of them costs a tenth of a second. */
function leaveOutMost(input: object): { fields: object; leftOut: number } {
  const names = Object.keys(input);
  const dropped = fieldsDropped in input ? Number(input[fieldsDropped]) : 0;
  if (names.length <= fieldsMax) return { fields: input, leftOut: dropped };
  const kept = names.slice(0, fieldsMax);
  const known = Object.keys(readingSchema.shape).filter((name) => Object.hasOwn(input, name));
  const fields = Object.fromEntries([...kept, ...known].map((name) => [name, Reflect.get(input, name)]));
  return { fields, leftOut: dropped + names.length - Object.keys(fields).length };
}

function invalidReading(
  issues: readonly z.core.$ZodIssue[],
  { fields, leftOut }: { fields: object; leftOut: number },
): InvalidReading {
  const count = issues.reduce((sum, issue) => sum + countFaults(issue), leftOut);
  const faults = issues.flatMap((issue) => faultsOfIssue(issue, fields)).slice(0, faultsMax);
  const faultsLeftOut = count - faults.length;
  return { kind: "invalid", faults, ...(faultsLeftOut > 0 && { faultsLeftOut }) };
}

function countFaults(issue: z.core.$ZodIssue): number {
  return issue.code === "unrecognized_keys" ? issue.keys.length : 1;
}

function faultsOfIssue(issue: z.core.$ZodIssue, input: object): ReadingFault[] {
  const pointer = issue.path.map((step) => `/${String(step)}`).join("");
  if (issue.code === "unrecognized_keys") {
    return issue.keys.slice(0, faultsMax).map((key) => ({
      pointer: pointer + jsonPointer([shorten(key)]),
      code: "unknown_field",
      detail: "is not a field of a reading",
    }));
  }
  const [field] = issue.path;
  const isMissing = field !== undefined && !Object.hasOwn(input, field);
  return [
    isMissing
      ? { pointer, code: "missing", detail: "is required" }
      : { pointer, code: "invalid", detail: issue.message },
  ];
}

/** A copy, since a slice would keep all of the text in memory. */
function shorten(name: string): string {
  return name.length <= pointerCharsMax
    ? name
    : `${Buffer.from(name.slice(0, pointerCharsMax)).toString("utf8")}…`;
}

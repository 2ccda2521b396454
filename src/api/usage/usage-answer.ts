import { z } from "@hono/zod-openapi";
import { readKeptFrom } from "../../database/retention.ts";
import type { Db } from "../../database/db.ts";
import { instantSchema } from "../../http/instant.ts";
import type { InputError } from "../../http/problem.ts";
import { granularities } from "../../outbox/usage-buckets.ts";
import { readUsage, type UsageBucket, usageCompleteThrough } from "../../outbox/usage.ts";
import { meterNames } from "../../usage/meters.ts";
import { csvLines } from "../csv.ts";

/** A year of hours, and a day. */
const bucketsMax = 8_808;
const granularityMs = { hour: 3_600_000, day: 86_400_000, month: 28 * 86_400_000 };

const zoneFault = "must be an IANA time zone such as Europe/Berlin, or UTC; no abbreviation such as CET";
/** Postgres takes CET for a fixed offset, Node for a region: three letters are nearly always an abbreviation. */
const zoneAbbreviation = /^(?!UTC|GMT)[a-z]{3}$/i;
/** Postgres's error for a value that a function does not take; here only the time zone can be one. */
const invalidParameterValue = "22023";

const instant = z.iso.datetime();

/** The parts of every answer about usage. */
export const quantitiesShape = {
  quantity: z.int(),
  delivered: z.int(),
  pending: z.int(),
  in_doubt: z.int(),
  rejected: z.int(),
};

const bucketSchema = z.strictObject({ start: instant, end: instant, ...quantitiesShape });
export const usageSchema = z
  .strictObject({
    data: z.array(bucketSchema),
    complete_through: instant,
    entries_kept_from: instant.nullable().openapi({
      description:
        "before this, entries may be missing, as months are not kept for ever: usage there is that of the meter events, exact in whole UTC hours; null: all are kept",
    }),
  })
  .openapi("Usage");

/** The question. */
export const usageQuery = z.object({
  meter: z.enum(meterNames),
  from: instantSchema,
  to: instantSchema,
  granularity: z.enum(granularities).default("hour"),
  time_zone: z.string().refine(isTimeZone, zoneFault).default("UTC"),
});

export type AskedUsage = { kind: "usage"; buckets: UsageBucket[]; keptFrom: Date | null };

/** Reads an organization's usage, or tells what is wrong with the question. */
export async function askUsage(
  db: Db,
  organizationId: string,
  { meter, from, to, granularity, time_zone: timeZone }: z.infer<typeof usageQuery>,
): Promise<AskedUsage | { kind: "refused"; fault: InputError }> {
  if (from >= to) return refuse("to", { code: "invalid", detail: "must be after from" });
  if ((to.getTime() - from.getTime()) / granularityMs[granularity] > bucketsMax) {
    const detail = `asks for more than ${bucketsMax} buckets; choose a shorter span or a coarser granularity`;
    return refuse("from", { code: "too_many_buckets", detail });
  }
  const keptFrom = await readKeptFrom(db, "meter_outbox");
  const query = { meter, from, to, granularity, timeZone, keptFrom };
  try {
    return { kind: "usage", buckets: await readUsage(db, organizationId, query), keptFrom };
  } catch (error) {
    // Node knows a few names that Postgres does not.
    if (!isUnknownZone(error)) throw error;
    return refuse("time_zone", { code: "invalid", detail: zoneFault });
  }
}

/** The document of `GET /v1/usage`. */
export async function renderUsage(
  db: Db,
  organizationId: string,
  { meter, buckets, keptFrom }: AskedUsage & Pick<z.infer<typeof usageQuery>, "meter">,
): Promise<z.infer<typeof usageSchema>> {
  const through = await usageCompleteThrough(db, organizationId, meter);
  return {
    data: renderBuckets(buckets),
    complete_through: through.toISOString(),
    entries_kept_from: keptFrom?.toISOString() ?? null,
  };
}

/** The same buckets as CSV. */
export function usageCsv(buckets: readonly UsageBucket[]): string {
  const names = ["start", "end", "quantity", "delivered", "pending", "in_doubt", "rejected"] as const;
  const rows = renderBuckets(buckets).map((bucket) => names.map((name) => bucket[name]));
  return csvLines([names, ...rows]);
}

function renderBuckets(buckets: readonly UsageBucket[]): z.infer<typeof bucketSchema>[] {
  const textOf = createInstantWriter();
  return buckets.map(({ start, end, quantity, delivered, pending, in_doubt, rejected }) => ({
    start: textOf(start),
    end: textOf(end),
    quantity,
    delivered,
    pending,
    in_doubt,
    rejected,
  }));
}

const dayMs = 86_400_000;

/** Writes instants as `toISOString` does: whole hours with the day that was written last, as a year of hours has few days. */
function createInstantWriter(): (at: Date) => string {
  let day = { ms: Number.NaN, text: "" };
  return (at) => {
    const ms = at.getTime();
    const inDayMs = ((ms % dayMs) + dayMs) % dayMs;
    if (inDayMs % granularityMs.hour !== 0) return at.toISOString();
    if (ms - inDayMs !== day.ms)
      day = { ms: ms - inDayMs, text: new Date(ms - inDayMs).toISOString().slice(0, -13) };
    return `${day.text}${String(inDayMs / granularityMs.hour).padStart(2, "0")}:00:00.000Z`;
  };
}

function refuse(pointer: string, fault: Omit<InputError, "pointer">) {
  return { kind: "refused" as const, fault: { pointer, ...fault } };
}

function isUnknownZone(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === invalidParameterValue;
}

function isTimeZone(name: string): boolean {
  // Node takes an offset as a zone; Postgres does too, but counts it the other way round.
  if (/^[+-]/.test(name) || zoneAbbreviation.test(name)) return false;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

import { createRoute, z } from "@hono/zod-openapi";
import type { Kysely } from "kysely";
import { readKeptFrom } from "../database/retention.ts";
import type { DB } from "../database/schema.ts";
import type { App } from "../http/app.ts";
import type { KeyOnly } from "../http/authentication.ts";
import { instantSchema } from "../http/instant.ts";
import { inputProblems, keyProblems } from "../http/problem-answers.ts";
import { type InputError, Problem } from "../http/problem.ts";
import { granularities, readUsage, type UsageBucket, usageCompleteThrough } from "../outbox/usage.ts";
import { meterNames } from "../usage/meters.ts";

/** A year of hours, and a day. */
const bucketsMax = 8_808;
const granularityMs = { hour: 3_600_000, day: 86_400_000, month: 28 * 86_400_000 };

const zoneFault = "must be an IANA time zone such as Europe/Berlin";
/** Postgres's word for a value that a function does not take; here only the time zone can be one. */
const invalidParameterValue = "22023";

const instant = z.iso.datetime();
const bucketSchema = z.strictObject({
  start: instant,
  end: instant,
  quantity: z.int(),
  delivered: z.int(),
  pending: z.int(),
  in_doubt: z.int(),
  rejected: z.int(),
});
const usageSchema = z.strictObject({
  data: z.array(bucketSchema),
  complete_through: instant,
  entries_kept_from: instant.nullable().openapi({
    description:
      "before this, entries may be missing, as months are not kept for ever: usage there is that of the meter events, exact in whole UTC hours; null: all are kept",
  }),
});

const usageRoute = createRoute({
  method: "get",
  path: "/v1/usage",
  operationId: "getUsage",
  summary: "Usage by hour, day or month, and how much of it has reached Stripe",
  tags: ["Usage"],
  security: [{ apiKey: [] }],
  request: {
    query: z.object({
      meter: z.enum(meterNames),
      from: instantSchema,
      to: instantSchema,
      granularity: z.enum(granularities).default("hour"),
      time_zone: z.string().refine(isTimeZone, zoneFault).default("UTC"),
    }),
  },
  responses: {
    200: {
      description: "Buckets, empty ones included; CSV when `Accept` asks for it",
      content: { "application/json": { schema: usageSchema }, "text/csv": { schema: z.string() } },
    },
    ...keyProblems,
    ...inputProblems,
  },
});

/** Adds `GET /v1/usage`. */
export function mountUsage(app: App, { db, mayRead }: { db: Kysely<DB>; mayRead: KeyOnly }): void {
  app.openapi({ ...usageRoute, middleware: mayRead }, async (c) => {
    const { meter, from, to, granularity, time_zone: timeZone } = c.req.valid("query");
    if (from >= to) throw invalid({ pointer: "to", code: "invalid", detail: "must be after from" });
    if ((to.getTime() - from.getTime()) / granularityMs[granularity] > bucketsMax) {
      const detail = `asks for more than ${bucketsMax} buckets; choose a shorter span or a coarser granularity`;
      throw invalid({ pointer: "from", code: "too_many_buckets", detail });
    }
    const keptFrom = await readKeptFrom(db, "meter_outbox");
    const query = { meter, from, to, granularity, timeZone, keptFrom };
    const read = await readUsage(db, c.var.organizationId, query).catch(refuseUnknownZone);
    const buckets = read.map(renderBucket);
    if (asksForCsv(c.req.header("accept"))) {
      return c.body(toCsv(buckets), 200, { "content-type": "text/csv; charset=utf-8" });
    }
    const through = await usageCompleteThrough(db, c.var.organizationId, meter);
    return c.json(
      {
        data: buckets,
        complete_through: through.toISOString(),
        entries_kept_from: keptFrom?.toISOString() ?? null,
      },
      200,
    );
  });
}

function renderBucket({ start, end, ...quantities }: UsageBucket): z.infer<typeof bucketSchema> {
  return { start: start.toISOString(), end: end.toISOString(), ...quantities };
}

function asksForCsv(accept: string | undefined): boolean {
  return /(^|,)\s*text\/csv\s*(;|,|$)/i.test(accept ?? "");
}

// Nothing in a bucket needs quoting: times and whole numbers only.
function toCsv(buckets: readonly z.infer<typeof bucketSchema>[]): string {
  const names = ["start", "end", "quantity", "delivered", "pending", "in_doubt", "rejected"] as const;
  const lines = buckets.map((bucket) => names.map((name) => bucket[name]).join(","));
  return `${[names.join(","), ...lines].join("\r\n")}\r\n`;
}

/** Node knows a few names that Postgres does not. */
function refuseUnknownZone(error: unknown): never {
  const isUnknown = error instanceof Error && "code" in error && error.code === invalidParameterValue;
  throw isUnknown ? invalid({ pointer: "time_zone", code: "invalid", detail: zoneFault }) : error;
}

function isTimeZone(name: string): boolean {
  // Node takes an offset for a zone; Postgres does too, but counts it the other way round.
  if (/^[+-]/.test(name)) return false;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function invalid(error: InputError): Problem {
  return new Problem({
    status: 400,
    code: "invalid_request",
    detail: `${error.pointer}: ${error.detail}`,
    errors: [error],
  });
}

import { z } from "@hono/zod-openapi";

const hasSeconds = /T\d\d:\d\d:\d\d/i;
/** The years that both a four-digit year and Postgres know. */
const earliest = new Date("0001-01-01T00:00:00Z");
const latest = new Date("9999-12-31T23:59:59.999Z");

/** A time as RFC 3339 writes it, with seconds and an offset. Becomes a Date. */
export const instantSchema = z.iso
  .datetime({
    offset: true,
    abort: true,
    error: "must be an RFC 3339 time with an offset, such as 2026-11-20T10:00:00Z",
  })
  .refine((text) => hasSeconds.test(text), "must have seconds, such as 2026-11-20T10:00:00Z")
  .transform((text) => new Date(text))
  .refine((at) => at >= earliest && at <= latest, "must be in the years 1 to 9999");

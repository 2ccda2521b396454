import { z } from "@hono/zod-openapi";

/** A name for people: up to 200 characters, without control characters, which can break Postgres or a terminal. */
export const nameSchema = z
  .string()
  .trim()
  .max(200)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, "must have no control characters")
  // JSON Schema has no flags; its patterns are Unicode ones.
  .openapi({ pattern: "^[^\\p{Cc}\\p{Cs}]*$" });

import { z } from "@hono/zod-openapi";

/** A text of a request that Postgres gets. */
export const storedTextSchema = z
  .string()
  .refine((text) => !text.includes("\0"), "must not hold the character U+0000, which cannot be stored");

/** Why an operator does something. */
export const reasonSchema = storedTextSchema.trim().min(1).max(500);

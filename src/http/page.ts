import { z } from "@hono/zod-openapi";
import { encodeCursor } from "./cursor.ts";

const limitMax = 500;
const limitDefault = 100;

/** A number that JavaScript reads but people do not write, such as 0x10 or 1e2, is none. */
const digitsOnly = (value: unknown) =>
  typeof value === "string" && !/^\d+$/.test(value) ? Number.NaN : value;

/** The query parameters of every list. */
export const pageQuery = z.object({
  limit: z
    .preprocess(
      digitsOnly,
      z.coerce.number(`must be one whole number from 1 to ${limitMax}`).int().min(1).max(limitMax),
    )
    .default(limitDefault),
  cursor: z.string().max(1_000).optional().openapi({ description: "next_cursor of the page before" }),
});

/** The shape of every list. */
export function pageSchema<Item extends z.ZodType>(item: Item) {
  return z.strictObject({ data: z.array(item), next_cursor: z.string().nullable() });
}

export type Page<Item> = { data: Item[]; next_cursor: string | null };

/**
 * Makes a page of rows; the caller reads one row more than `limit`. `keyOf` tells where the page after a row begins.
 */
export function toPage<Row>(rows: Row[], limit: number, keyOf: (row: Row) => readonly string[]): Page<Row> {
  const data = rows.slice(0, limit);
  const last = data.at(-1);
  const hasMore = rows.length > limit && last !== undefined;
  return { data, next_cursor: hasMore ? encodeCursor(keyOf(last)) : null };
}

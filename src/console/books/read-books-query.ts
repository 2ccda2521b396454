import { z } from "zod";
import { instantSchema } from "../../http/instant.ts";
import { invalidRequest } from "../../http/input-errors.ts";
import { bookStates, periodStages } from "../../reconciliation/close/list-books.ts";
import { meterNames } from "../../usage/meters.ts";

const empty = z.literal("").transform(() => undefined);

const booksSchema = z.object({
  stage: z.enum(periodStages).or(empty).optional(),
  books: z.enum(bookStates).or(empty).optional(),
});

export type BooksQuery = z.infer<typeof booksSchema>;

/** How the list of periods is narrowed. Throws the 400 for what is none of its filters. */
export function readBooksQuery(query: Record<string, string>): BooksQuery {
  return parsed(booksSchema, query);
}

const windowSchema = z
  .object({
    customer: z.string().min(1).max(255),
    meter: z.enum(meterNames),
    from: instantSchema,
    to: instantSchema,
  })
  .refine(({ from, to }) => from < to, { path: ["to"], message: "must be after from" });

/** The window that a page is about. Throws the 400 for what is none. */
export function readWindowQuery(query: Record<string, string>): z.infer<typeof windowSchema> {
  return parsed(windowSchema, query);
}

const wantedSchema = z.object({ period: z.enum(["current", "last"]).default("current") });

/** The period to compare. Throws the 400 for what is none. */
export function readWantedPeriod(query: Record<string, string | undefined>): "current" | "last" {
  return parsed(wantedSchema, query).period;
}

function parsed<T>(schema: z.ZodType<T>, query: Record<string, string | undefined>): T {
  const result = schema.safeParse(query);
  if (!result.success) throw invalidRequest("query", result.error.issues);
  return result.data;
}

import { type Command, Option } from "commander";
import type { z } from "zod";
import { decodeCursor } from "../http/cursor.ts";
import { type Page, toPage } from "../http/page.ts";
import { Problem } from "../http/problem.ts";
import type { Outcome } from "./outcome.ts";
import { wholeNumberTo } from "./whole-number.ts";

const limitMax = 500;
const limitDefault = 50;

export type PageOptions = { limit: number; cursor?: string };

/** Adds the options of a list that is shown page by page. */
export function withPages(command: Command): Command {
  return command
    .addOption(
      new Option("--limit <count>", `1 to ${limitMax}`)
        .argParser(wholeNumberTo(limitMax))
        .default(limitDefault),
    )
    .option("--cursor <cursor>", "the page after one that told this next_cursor");
}

type Pager<Row, Key> = {
  schema: z.ZodType<Key>;
  keyOf: (row: Row) => readonly string[];
  read: (after: Key | undefined, limit: number) => Promise<Row[]>;
};

/** Reads one page, and shows it. A cursor of another list is wrong usage. */
export async function showPage<Row, Key>(
  { limit, cursor }: PageOptions,
  { schema, keyOf, read }: Pager<Row, Key>,
  show: (page: Page<Row>) => { document: unknown; text: string },
): Promise<Outcome> {
  let after: Key | undefined;
  try {
    after = decodeCursor(cursor, schema);
  } catch (error) {
    if (error instanceof Problem) return { kind: "wrong_usage", message: `--cursor: ${error.message}` };
    throw error;
  }
  const page = toPage(await read(after, limit + 1), limit, keyOf);
  const { document, text } = show(page);
  const more = page.next_cursor === null ? "" : `\nthere are more: --cursor ${page.next_cursor}`;
  return { kind: "done", document, text: text + more };
}

const pageSize = 500;

/** Reads a list to its end, page by page. */
export async function readAll<Row extends { id: string }>(
  readPage: (after: string | undefined, limit: number) => Promise<Row[]>,
): Promise<Row[]> {
  const all: Row[] = [];
  for (;;) {
    const page = await readPage(all.at(-1)?.id, pageSize);
    for (const row of page) all.push(row);
    if (page.length < pageSize) return all;
  }
}

import { z } from "zod";
import type { ConsoleParts } from "../../api/console-parts.ts";
import type { Db } from "../../database/db.ts";
import { byIndex } from "../../database/one-plan.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { toPage } from "../../http/page.ts";
import { readCloseGates } from "../../monitoring/close-gate.ts";
import { listDifferences } from "../../monitoring/differences.ts";
import { readReconciliation } from "../../monitoring/metrics/read-reconciliation.ts";
import { countBooks, listBooks } from "../../reconciliation/close/list-books.ts";
import type { ConsoleApp } from "../console-env.ts";
import { showPage } from "../layout/show-page.tsx";
import { NextPage } from "../parts/next-page.tsx";
import { createSharedRead, liveLimits } from "../shared-read.ts";
import { BooksPage } from "./books-page.tsx";
import { booksPath } from "./books-paths.ts";
import { DifferenceTable } from "./difference-table.tsx";
import { readBooksQuery } from "./read-books-query.ts";

const frame = { title: "Books", place: "books" } as const;
const pageRows = 50;
/** On the page of all books; the others are a page of their own. */
const differencesShownMax = 10;
const periodKey = z.tuple([z.iso.datetime(), z.uuid(), z.iso.datetime()]);
const differenceKey = z.tuple([z.uuid(), z.string().max(255), z.string().max(100)]);

/** Adds the page of all billing periods, and that of all differences. */
export function mountBooks(app: ConsoleApp, { db, now, live = liveLimits }: ConsoleParts): void {
  // What all readers see alike is read once for those who look at the same time.
  const readHead = createSharedRead(() => readBooksHead(db), live);

  app.get("/books", async (c) => {
    const query = readBooksQuery(c.req.query());
    const before = decodeCursor(c.req.query("cursor"), periodKey);
    const rows = await listBooks(db, {
      ...query,
      limit: pageRows + 1,
      ...(before && {
        before: { end: new Date(before[0]), organizationId: before[1], start: new Date(before[2]) },
      }),
    });
    const { data: periods, next_cursor: next } = toPage(rows, pageRows, ({ end, organizationId, start }) => [
      end.toISOString(),
      organizationId,
      start.toISOString(),
    ]);
    const { value, readAt, failure } = await readHead();
    const head = { readAt, isOld: failure !== undefined, now: now() };
    return showPage(c, frame, <BooksPage view={{ ...value, periods, query, next, head }} />);
  });

  app.get("/books/differences", async (c) => {
    const after = decodeCursor(c.req.query("cursor"), differenceKey);
    const rows = await listDifferences(db, {
      limit: pageRows + 1,
      ...(after && { after: { organizationId: after[0], customer: after[1], meter: after[2] } }),
    });
    const { data, next_cursor: next } = toPage(rows, pageRows, ({ organizationId, customer, meter }) => [
      organizationId,
      customer,
      meter,
    ]);
    const page = (
      <>
        <h1>Where Stripe's sums are not ours</h1>
        <DifferenceTable differences={data} />
        <NextPage path={`${booksPath}/differences`} query={{}} cursor={next} />
      </>
    );
    return showPage(c, { ...frame, title: "Differences" }, page);
  });
}

async function readBooksHead(db: Db) {
  const state = await byIndex(db, readReconciliation);
  const gates = await readCloseGates(db);
  const counts = await countBooks(db);
  const found = await listDifferences(db, { limit: differencesShownMax + 1 });
  return {
    state,
    gates,
    counts,
    differences: found.slice(0, differencesShownMax),
    hasMoreDifferences: found.length > differencesShownMax,
  };
}

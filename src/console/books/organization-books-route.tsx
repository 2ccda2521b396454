import { z } from "zod";
import type { ConsoleParts } from "../../api/console-parts.ts";
import type { Db } from "../../database/db.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { notFound } from "../../http/problem.ts";
import { toPage } from "../../http/page.ts";
import { readOrganizationNames } from "../../organizations/organization-names.ts";
import { countedDays, listBooks } from "../../reconciliation/close/list-books.ts";
import { renderLook } from "../../reconciliation/compared-windows.ts";
import { findLatestLook, listLatestLooks } from "../../reconciliation/list-looks.ts";
import type { ConsoleApp } from "../console-env.ts";
import { mayAct } from "../forms/act.ts";
import { showPage } from "../layout/show-page.tsx";
import { organizationIdOf } from "../organizations/organizations-route.tsx";
import { OrganizationBooksPage } from "./organization-books-page.tsx";
import { readWindowQuery } from "./read-books-query.ts";
import { WindowPage } from "./window-page.tsx";

const frame = { title: "Books", place: "books" } as const;
const periodRows = 24;
const looksShownMax = 100;
const cursorKey = z.tuple([z.iso.datetime(), z.iso.datetime()]);

/** Adds the books of one organization, and the page of a window that was compared. */
export function mountOrganizationBooks(app: ConsoleApp, { db, now }: ConsoleParts): void {
  app.get("/books/:id", async (c) => {
    const organizationId = organizationIdOf(c);
    const name = await nameOf(db, organizationId);
    const before = decodeCursor(c.req.query("cursor"), cursorKey);
    const rows = await listBooks(db, {
      organizationId,
      limit: periodRows + 1,
      ...(before && { before: { end: new Date(before[0]), organizationId, start: new Date(before[1]) } }),
    });
    const { data: periods, next_cursor: next } = toPage(rows, periodRows, ({ end, start }) => [
      end.toISOString(),
      start.toISOString(),
    ]);
    const end = new Date(now().getTime() + hourMs);
    const start = new Date(end.getTime() - countedDays * dayMs);
    const found = await listLatestLooks(db, {
      organizationId,
      start,
      end,
      isOffOnly: true,
      limit: looksShownMax + 1,
    });
    const looks = { looks: found.slice(0, looksShownMax), hasMoreLooks: found.length > looksShownMax };
    const books = {
      organizationId,
      name,
      ...looks,
      daysShown: countedDays,
      periods,
      next,
      mayAct: mayAct(c),
    };
    return showPage(c, { ...frame, title: `Books of ${name}` }, <OrganizationBooksPage books={books} />);
  });

  app.get("/books/:id/window", async (c) => {
    const organizationId = organizationIdOf(c);
    const name = await nameOf(db, organizationId);
    const { customer, meter, from: start, to: end } = readWindowQuery(c.req.query());
    const window = { organizationId, customer, meter, start, end };
    const found = await findLatestLook(db, window);
    if (found === undefined) throw notFound("comparison");
    const looks = await listLatestLooks(db, { ...window, isOffOnly: true, limit: looksShownMax + 2 });
    const isInside = (part: { start: Date; end: Date }) =>
      part.end.getTime() - part.start.getTime() < end.getTime() - start.getTime();
    const inside = looks.filter(isInside);
    const view = {
      organizationId,
      name,
      look: await renderLook(db, found),
      parts: inside.slice(0, looksShownMax),
      hasMoreParts: inside.length > looksShownMax,
    };
    return showPage(c, frame, <WindowPage view={view} />);
  });
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Throws the 404 for an organization that there is not. */
export async function nameOf(db: Db, organizationId: string): Promise<string> {
  const name = (await readOrganizationNames(db, [organizationId])).get(organizationId);
  if (name === undefined) throw notFound("organization");
  return name;
}

import { html, raw } from "hono/html";
import type { Child } from "hono/jsx";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { nextTurnOfPages } from "../../http/turns.ts";
import type { ConsoleContext } from "../console-env.ts";
import type { LastPage } from "./last-pages.ts";
import { type Frame, PageFrame } from "./page-frame.tsx";

type Shown = Pick<Frame, "title" | "place"> & {
  status?: ContentfulStatusCode;
  /** Whether the page is kept, to be shown with its age while the database does not answer. */
  isKept?: boolean;
};

/**
 * Answers with a whole page, whose main part is `children`. It is made in a turn of the event loop of its own, as parts are: those
 * of all readers who waited for one shared read were made in one, and readings waited for all of them.
 */
export async function showPage(c: ConsoleContext, shown: Shown, children: Child): Promise<Response> {
  const { status = 200, isKept = true, ...frame } = shown;
  await nextTurnOfPages();
  const { assets, session, lastPages } = c.var;
  const main = await html`${children}`;
  if (isKept && status === 200 && c.req.method === "GET" && session !== undefined)
    lastPages.keep(nameOf(c), { main, at: new Date() });
  const page = (
    <PageFrame {...frame} assets={assets} session={session}>
      {raw(main)}
    </PageFrame>
  );
  return c.html(<>{page}</>, status);
}

/** Answers with a part that an open page takes in place of its own. */
export async function showPart(c: ConsoleContext, part: Child): Promise<Response> {
  await nextTurnOfPages();
  return c.html(<>{part}</>);
}

/** The page at this address as this process last showed it to a reader with the same rights. */
export function findLastPage(c: ConsoleContext): LastPage | undefined {
  return c.req.method === "GET" ? c.var.lastPages.find(nameOf(c)) : undefined;
}

function nameOf(c: ConsoleContext): string {
  const { pathname, search } = new URL(c.req.url);
  return `${c.var.session?.role} ${pathname}${search}`;
}

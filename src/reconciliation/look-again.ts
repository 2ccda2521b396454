import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { summariesMax } from "../stripe/read-event-summaries.ts";
import type { Cause } from "./budget.ts";
import { compareWindow } from "./compare-period.ts";
import type { Window } from "./fold-window.ts";
import { type LookDeps, type NoLook } from "./look.ts";
import type { Look } from "./looks.ts";
import { hourMs, type Span } from "./windows.ts";

type FirstLook = Span & { readAt: Date };

/** One read for as many hours as an answer holds; what they do not reach, the next run does. */
const readsMax = 4;

/**
 * Windows of which too little was seen once, the oldest first: the narrowest, as the parts of a wide one say more than it.
 */
export async function findFirstLooks(db: Db, window: Window): Promise<FirstLook[]> {
  const found = await sql<FirstLook>`
    with latest as (
      select distinct on (window_start, window_end) window_start, window_end, result, reason, read_at
      from metering.reconciliations
      where organization_id = ${window.organizationId} and meter = ${window.meter}
        and stripe_customer_id = ${window.customer}
        and window_end > ${window.start}::timestamptz and window_start < ${window.end}::timestamptz
      order by window_start, window_end, read_at desc, id desc
    )
    select l.window_start as start, l.window_end as "end", l.read_at as "readAt"
    from latest l
    where l.reason = 'first_look'
      and not exists (
        select from latest other
        where other.window_start <= l.window_start and other.window_end >= l.window_end and other.read_at > l.read_at
      )
      and not exists (
        select from latest part
        where (part.read_at > l.read_at or (part.read_at = l.read_at and part.result <> 'equal'))
          and part.window_start >= l.window_start and part.window_end <= l.window_end
          and (part.window_start, part.window_end) <> (l.window_start, l.window_end)
      )
    order by l.window_start
  `.execute(db);
  return found.rows;
}

/** Takes the second look at windows that were short at the first: hours that lie near each other in one read. */
export async function lookAgain(
  deps: LookDeps,
  window: Window,
  { cause, windows }: { cause: Cause; windows: readonly Span[] },
): Promise<Look[] | NoLook> {
  const looks: Look[] = [];
  for (const span of joinHours(windows).slice(0, readsMax)) {
    const grouping = isWholeHours(span) ? ({ grouping: "hour" } as const) : {};
    const found = await compareWindow(deps, { ...window, ...span }, { cause, ...grouping });
    if (typeof found === "string") return found;
    looks.push(...found);
  }
  return looks;
}

function joinHours(windows: readonly Span[]): Span[] {
  const joined: Span[] = [];
  for (const { start, end } of windows) {
    const last = joined.at(-1);
    const isNear = last !== undefined && end.getTime() - last.start.getTime() <= summariesMax * hourMs;
    if (isNear && isHour({ start, end }) && isWholeHours(last)) last.end = end;
    else joined.push({ start, end });
  }
  return joined;
}

function isHour({ start, end }: Span): boolean {
  return start.getTime() % hourMs === 0 && end.getTime() - start.getTime() === hourMs;
}

/** As `joinHours` makes them; days and whole periods are read as they are. */
function isWholeHours(span: Span): boolean {
  const { start, end } = span;
  const length = end.getTime() - start.getTime();
  return start.getTime() % hourMs === 0 && length % hourMs === 0 && length <= summariesMax * hourMs;
}

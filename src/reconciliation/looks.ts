import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import type { Cause } from "./budget.ts";
import type { Window } from "./fold-window.ts";
import type { Judgement } from "./judge-window.ts";

/** One window of which Stripe's sum was read, and what it says. Quantities are decimal strings. */
export type Look = Window &
  Judgement & {
    /** The fold of what is certainly at Stripe, and of what may be. */
    ours: string;
    doubtful: string;
    theirs: string;
    /** As many as `ours` folds. */
    events: number;
    fingerprint: string;
    /** Requests that told it; 0 for a window that another one's request told as well. */
    reads: number;
    readAt: Date;
  };

/** A look at a window before it is judged. */
export type Seen = Pick<Window, "start" | "end"> & { ours: string; theirs: string; fingerprint: string };

/**
 * Since when looks at each window have been the same as this one, without one between that was not; null: none was. Looks
 * at windows that were not settled say nothing.
 */
export async function agreeSince(db: Db, of: Window, seen: readonly Seen[]): Promise<(Date | null)[]> {
  const found = await sql<{ since: Date | null }>`
    select seen.since
    from unnest(
      ${seen.map(({ start }) => start)}::timestamptz[], ${seen.map(({ end }) => end)}::timestamptz[],
      ${seen.map(({ ours }) => ours)}::numeric[], ${seen.map(({ theirs }) => theirs)}::numeric[],
      ${seen.map(({ fingerprint }) => fingerprint)}::text[]
    ) with ordinality as s (window_start, window_end, ours, theirs, fingerprint, place)
    cross join lateral (
      select min(r.read_at) as since
      from metering.reconciliations r
      where r.organization_id = ${of.organizationId} and r.meter = ${of.meter}
        and r.stripe_customer_id = ${of.customer}
        and r.window_start = s.window_start and r.window_end = s.window_end
        and (r.result = 'different' or r.reason = 'first_look')
        and r.read_at > coalesce(
          (
            select max(other.read_at)
            from metering.reconciliations other
            where other.organization_id = ${of.organizationId} and other.meter = ${of.meter}
              and other.stripe_customer_id = ${of.customer}
              and other.window_start = s.window_start and other.window_end = s.window_end
              and (other.ours, other.theirs, other.fingerprint) is distinct from (s.ours, s.theirs, s.fingerprint)
          ),
          '-infinity'
        )
    ) seen
    order by s.place
  `.execute(db);
  return found.rows.map(({ since }) => since);
}

/** Writes looks down for good. Those of one walk are written together, at one time. Returns their ids, in the same order. */
export async function writeLooks(
  db: Db,
  looks: readonly (Omit<Look, "reason"> & { reason: string | null })[],
  cause: Cause,
): Promise<string[]> {
  if (looks.length === 0) return [];
  const written = await db
    .insertInto("reconciliations")
    .values(
      looks.map((look) => ({
        organization_id: look.organizationId,
        meter: look.meter,
        stripe_customer_id: look.customer,
        window_start: look.start,
        window_end: look.end,
        cause,
        ours: look.ours,
        doubtful: look.doubtful,
        theirs: look.theirs,
        events: look.events,
        fingerprint: look.fingerprint,
        reads: look.reads,
        result: look.result,
        reason: look.reason,
      })),
    )
    .returning("id")
    .execute();
  return written.map(({ id }) => id);
}

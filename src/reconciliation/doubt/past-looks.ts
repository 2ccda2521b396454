import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import type { Subject } from "../fold-window.ts";
import type { Span } from "../windows.ts";
import type { PastLook } from "./doubt-rules.ts";

/** More would tell no more: looks that agree are soon a day apart. */
const looksMax = 40;

/**
 * The looks at each of these windows, the newest first. Looks that say nothing are left out: the window's events moved
 * meanwhile, or had been delivered a moment ago, or an attempt was under way.
 */
export async function readPastLooks(
  db: Db,
  { organizationId, customer, meter }: Subject,
  windows: readonly Span[],
): Promise<PastLook[][]> {
  const found = await sql<{ looks: { theirs: string; fingerprint: string; readAt: string }[] }>`
    select coalesce(
      (
        select json_agg(json_build_object('theirs', r.theirs::text, 'fingerprint', r.fingerprint, 'readAt', r.read_at))
        from (
          select theirs, fingerprint, read_at
          from metering.reconciliations
          where organization_id = ${organizationId} and meter = ${meter} and stripe_customer_id = ${customer}
            and window_end = w.window_end and window_start = w.window_start
            and coalesce(reason not in ('moved', 'young', 'open'), true)
          order by read_at desc
          limit ${looksMax}
        ) r
      ),
      '[]'
    ) as looks
    from unnest(
      ${windows.map(({ start }) => start)}::timestamptz[], ${windows.map(({ end }) => end)}::timestamptz[]
    ) with ordinality as w (window_start, window_end, place)
    order by w.place
  `.execute(db);
  return found.rows.map(({ looks }) =>
    looks.map(({ theirs, fingerprint, readAt }) => ({ theirs, fingerprint, readAt: new Date(readAt) })),
  );
}

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
  const found = await sql<{ place: number; theirs: string; fingerprint: string; readAt: Date }>`
    select place, theirs, fingerprint, read_at as "readAt"
    from (
      select
        w.place::int as place, r.theirs::text as theirs, r.fingerprint, r.read_at,
        row_number() over (partition by w.place order by r.read_at desc) as nth
      from unnest(
        ${windows.map(({ start }) => start)}::timestamptz[], ${windows.map(({ end }) => end)}::timestamptz[]
      ) with ordinality as w (window_start, window_end, place)
      join metering.reconciliations r on r.window_end = w.window_end and r.window_start = w.window_start
      where r.organization_id = ${organizationId} and r.meter = ${meter} and r.stripe_customer_id = ${customer}
        and coalesce(r.reason not in ('moved', 'young', 'open'), true)
    ) looks
    where nth <= ${looksMax}
    order by place, read_at desc
  `.execute(db);
  const byPlace = Map.groupBy(found.rows, ({ place }) => place);
  return windows.map((_, index) =>
    (byPlace.get(index + 1) ?? []).map(({ theirs, fingerprint, readAt }) => ({
      theirs,
      fingerprint,
      readAt,
    })),
  );
}

import { sql } from "kysely";
import type { ProcessKind } from "../database/needed-rights.ts";
import type { Db } from "../database/db.ts";

/** Three heartbeats and a little: a late heartbeat does not mean that its process is gone. */
export const liveSeconds = 35;

/** How many processes of a kind run now, with which roles, and when one was last seen, in seconds; null: never. */
export type SeenProcesses = {
  kind: ProcessKind;
  live: number;
  roles: string[];
  lastSeenSeconds: number | null;
};

/** By the heartbeats that processes leave in the database. */
export async function readSeenProcesses(db: Db): Promise<SeenProcesses[]> {
  const seen = await sql<SeenProcesses>`
    select
      k.kind,
      count(p.id) filter (where p.is_live)::int as live,
      coalesce(array_agg(distinct p.role_name) filter (where p.is_live), '{}') as roles,
      extract(epoch from now() - max(p.seen_at))::float8 as "lastSeenSeconds"
    from unnest(array['api', 'worker']) k (kind)
    left join lateral (
      select id, role_name, seen_at,
        stopped_at is null and seen_at > now() - make_interval(secs => ${liveSeconds}) as is_live
      from metering.processes
      where kind = k.kind
    ) p on true
    group by k.kind
    order by k.kind
  `.execute(db);
  return seen.rows;
}

/** "2 run", or that none runs and since when. */
export function describeSeen({ live, lastSeenSeconds }: SeenProcesses): string {
  if (live > 0) return live === 1 ? "one runs" : `${live} run`;
  if (lastSeenSeconds === null) return "none has ever run";
  return `none runs; the last was seen ${agoInWords(lastSeenSeconds)} ago`;
}

function agoInWords(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} minutes`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} hours` : `${Math.round(seconds / 86_400)} days`;
}

import { sql } from "kysely";
import type { Minutes } from "./plan-turn.ts";

/** The tables that figures are folded from, each with the column that is its time. */
const sources = {
  minute: { rows: sql`metering.minute_figures`, at: sql.ref("f.minute"), minutes: sql`count(*)` },
  hour: { rows: sql`metering.hour_figures`, at: sql.ref("f.hour"), minutes: sql`sum(f.minutes)` },
} as const;

export type Folding = Minutes & { of: keyof typeof sources; stepSeconds: number };

/**
 * Figures of a time by steps and meter: what happened is added up, of what waited the largest is kept. A subquery with
 * `at`, `meter`, `minutes` and the columns of figures.
 */
export function foldedFigures({ of, from, to, stepSeconds }: Folding) {
  const { rows, at, minutes } = sources[of];
  const step = sql`date_bin(make_interval(secs => ${stepSeconds}), ${at}, timestamptz '2000-01-01Z')`;
  const within = sql`${at} >= ${from} and ${at} < ${to}`;
  return sql`(
    select
      ${step} as at, f.meter, ${minutes} as minutes,
      sum(f.entries) as entries, sum(f.quantity) as quantity, sum(f.delivered) as delivered,
      sum(f.delivered_quantity) as delivered_quantity, sum(f.rejected) as rejected, sum(f.retried) as retried,
      sum(f.unanswered) as unanswered, max(f.unsealed_entries) as unsealed_entries,
      max(f.unsealed_seconds) as unsealed_seconds, max(f.pending) as pending, max(f.pending_seconds) as pending_seconds,
      coalesce(min(l.latencies::text)::jsonb, '{}') as latencies
    from ${rows} f
    left join (
      select at, meter, jsonb_object_agg(step, attempts) as latencies
      from (
        select ${step} as at, f.meter, each.key as step, sum(each.value::bigint) as attempts
        from ${rows} f
        cross join jsonb_each_text(f.latencies) each
        where ${within}
        group by 1, 2, 3
      ) by_step
      group by 1, 2
    ) l on l.at = ${step} and l.meter = f.meter
    where ${within}
    group by 1, 2
  )`;
}

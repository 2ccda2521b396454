import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import type { MeterName } from "../usage/meters.ts";

/** Stripe's sums of the running periods, as they were last read, beside ours at the same moments. */
export type RunningSums = {
  periods: number;
  /** Periods that have been compared. */
  compared: number;
  different: number;
  theirs: number;
  ours: number;
  /** When the first of these sums was read; null before the first. */
  readSince: Date | null;
};

/** Adds up the latest look at each running period, one index entry for each. */
export async function readRunningSums(db: Db, meter: MeterName): Promise<RunningSums> {
  const read = await sql<RunningSums>`
    select
      count(*)::integer as periods,
      count(look.read_at)::integer as compared,
      (count(*) filter (where look.result = 'different'))::integer as different,
      coalesce(sum(look.theirs), 0)::float8 as theirs,
      coalesce(sum(look.ours), 0)::float8 as ours,
      min(look.read_at) as "readSince"
    from metering.billing_periods p
    left join lateral (
      select r.theirs, r.ours, r.result, r.read_at
      from metering.reconciliations r
      where r.organization_id = p.organization_id and r.meter = ${meter}
        and r.stripe_customer_id = p.stripe_customer_id
        and r.window_start = date_trunc('minute', p.period_start, 'UTC') and r.window_end > p.period_start
      order by r.window_end desc, r.read_at desc
      limit 1
    ) look on true
    where p.routine_at is not null and p.period_start <= now() and p.period_end > now()
  `.execute(db);
  const [row] = read.rows;
  if (row === undefined) throw new Error("an aggregate without a row");
  return row;
}

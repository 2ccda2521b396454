import { ask } from "../site/site.ts";

/** Meter events a second in the first second, and after it until the last one that counts. */
export type DrainRates = { first: number; rest: number };

/**
 * By the database's clock, from the first attempt's start until `share` of all are delivered. Of a drain that ends within
 * its first second, both are the same.
 */
export async function readDrainRates(
  url: string,
  { since, share = 1 }: { since: Date; share?: number },
): Promise<DrainRates> {
  const [row] = await ask<{ first: number; counted: number; seconds: number }>(
    url,
    `with first as (select min(started_at) as at from metering.delivery_attempts where started_at >= $1),
     delivered as (
       select extract(epoch from m.delivered_at - f.at)::float8 as after
       from metering.meter_events m cross join first f where m.delivered_at >= $1
     )
     select count(*) filter (where after <= 1)::int as first, ceil(count(*) * $2::float8)::int as counted,
       percentile_disc($2::float8) within group (order by after) as seconds
     from delivered`,
    [since, share],
  );
  if (row === undefined || row.counted === 0) throw new Error("nothing was delivered");
  const { first, counted, seconds } = row;
  return { first, rest: seconds > 1 ? (counted - first) / (seconds - 1) : first };
}

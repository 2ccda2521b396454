import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { type Span, wholeMinutes } from "./windows.ts";

/** Which period to compare: the running one, the one before it, or a stretch of time. */
export type WantedPeriod = "current" | "last" | { from: Date; to: Date };

/**
 * The whole minutes of a wanted period, up to now. Between the end of the last known period and the news of the next one, the
 * running period has begun with that end. An organization whose subscription has told no periods has UTC months. Undefined:
 * nothing of it has passed yet.
 */
export async function findWantedPeriod(
  db: Db,
  organizationId: string,
  wanted: WantedPeriod,
): Promise<Span | undefined> {
  const found = await sql<{ start: Date; end: Date; now: Date }>`
    with months as (
      select
        date_trunc('month', now(), 'UTC') as this_month,
        (date_trunc('month', now() at time zone 'UTC') - interval '1 month') at time zone 'UTC' as last_month
    ),
    running as (
      select period_start, period_end
      from metering.billing_periods
      where organization_id = ${organizationId} and period_start <= now() and period_end > now()
      order by period_start desc
      limit 1
    ),
    ended as (
      select period_start, period_end
      from metering.billing_periods
      where organization_id = ${organizationId} and period_end <= now()
      order by period_start desc
      limit 1
    )
    select
      now() as now,
      ${
        wanted === "current"
          ? sql`
            coalesce(
              (select period_start from running),
              (
                select max(period_end)
                from metering.billing_periods
                where organization_id = ${organizationId} and period_end <= now()
              ),
              this_month
            ) as start,
            now() as "end"`
          : wanted === "last"
            ? sql`
            coalesce(
              (select period_start from ended), (select period_start - interval '1 month' from running),
              last_month
            ) as start,
            coalesce((select period_end from ended), (select period_start from running), this_month) as "end"`
            : sql`${wanted.from}::timestamptz as start, ${wanted.to}::timestamptz as "end"`
      }
    from months
  `.execute(db);
  const [row] = found.rows;
  if (row === undefined) throw new Error("a select without a table has one row");
  const span = wholeMinutes({ start: row.start, end: row.end < row.now ? row.end : row.now });
  return span.start < span.end ? span : undefined;
}

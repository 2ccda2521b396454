import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { byIndex } from "../database/one-plan.ts";

/** Stripe takes usage of the last 35 days: what is older does not change any more. */
export const watchedDays = 40;
/** A difference that lasts is seen again, by the routine or by the close of its period. */
const seenDays = 8;

/** Windows `d` whose sum at Stripe is not ours, and that no later look at them found equal. */
export const standingDifferences = sql`
  metering.reconciliations d
  where d.result = 'different' and d.window_end > now() - make_interval(days => ${watchedDays})
    and d.read_at > now() - make_interval(days => ${seenDays})
    and not exists (
      select from metering.reconciliations later
      where later.organization_id = d.organization_id and later.meter = d.meter
        and later.stripe_customer_id = d.stripe_customer_id
        and later.window_end >= d.window_end and later.window_start <= d.window_start
        and later.read_at > d.read_at and later.result = 'equal'
    )
`;

/** A customer's meter whose sum at Stripe is not ours: the widest window that says so, by its latest look. */
export type Difference = {
  organizationId: string;
  organizationName: string;
  customer: string;
  meter: string;
  start: Date;
  end: Date;
  /** Decimal strings. */
  ours: string;
  theirs: string;
  readAt: Date;
};

export type DifferenceKey = Pick<Difference, "organizationId" | "customer" | "meter">;

/** The differences that stand, one for each customer and meter, in the order of the organizations. */
export async function listDifferences(
  db: Db,
  { after, limit }: { after?: DifferenceKey | undefined; limit: number },
): Promise<Difference[]> {
  const found = await byIndex(db, (trx) =>
    sql<Difference>`
      with widest as (
        select distinct on (d.organization_id, d.stripe_customer_id, d.meter)
          d.organization_id, d.stripe_customer_id, d.meter, d.window_start, d.window_end, d.ours, d.theirs, d.read_at
        from ${standingDifferences}
        ${
          after === undefined
            ? sql``
            : sql`
              and (d.organization_id, d.stripe_customer_id, d.meter)
                > (${after.organizationId}::uuid, ${after.customer}, ${after.meter})
            `
        }
        order by
          d.organization_id, d.stripe_customer_id, d.meter, d.window_end - d.window_start desc, d.read_at desc
        limit ${limit}
      )
      select
        w.organization_id as "organizationId", o.name as "organizationName", w.stripe_customer_id as customer, w.meter,
        w.window_start as start, w.window_end as "end", w.ours::text as ours, w.theirs::text as theirs,
        w.read_at as "readAt"
      from widest w
      join metering.organizations o on o.id = w.organization_id
      order by w.organization_id, w.stripe_customer_id, w.meter
    `.execute(trx),
  );
  return found.rows;
}

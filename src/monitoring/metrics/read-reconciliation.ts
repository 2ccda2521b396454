import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { meterNames } from "../../usage/meters.ts";
import { standingDifferences, watchedDays } from "../differences.ts";
import type { Sample } from "./database-gauges.ts";

export type ReconciliationState = {
  /** Customers who differ, by meter. */
  different: Partial<Record<string, number>>;
  unreconciledSeconds: number;
  reads: number;
  /** Null until a worker has made the first read, and where `RECONCILE_READS_PER_DAY` allows none but an operator's. */
  readsLeft: number | null;
  putOff: number;
  inDoubt: number;
  reported: number;
};

/** What the comparison with Stripe's sums has found and what it cost, as the rows tell it. */
export async function readReconciliation(db: Db): Promise<ReconciliationState> {
  const found = await sql<ReconciliationState>`
    select
      (
        select coalesce(jsonb_object_agg(by_meter.meter, by_meter.customers), '{}')
        from (
          select d.meter, count(distinct (d.organization_id, d.stripe_customer_id)) as customers
          from ${standingDifferences}
          group by d.meter
        ) by_meter
      ) as different,
      (
        select coalesce(extract(epoch from now() - min(p.period_end)), 0)::float8
        from metering.billing_periods p
        where p.books is distinct from 'equal'
          and p.period_end <= now() and p.period_end > now() - make_interval(days => ${watchedDays})
      ) as "unreconciledSeconds",
      coalesce(today.reads, 0)::integer as reads,
      (
        select case when r.allowed > 0 then greatest(r.allowed - case when r.day = today.day then r.reads else 0 end, 0) end
        from metering.reconcile_reads r
        where r.allowed is not null
        order by r.day desc
        limit 1
      )::integer as "readsLeft",
      coalesce(today.put_off, 0)::integer as "putOff",
      (select count(*) from metering.meter_events where state = 'in_doubt')::integer as "inDoubt",
      (select count(*) from metering.meter_events where reconcile_since is not null and state = 'delivered')::integer as reported
    from (select (now() at time zone 'UTC')::date as day) utc
    left join metering.reconcile_reads today using (day)
  `.execute(db);
  const [row] = found.rows;
  if (row === undefined) throw new Error("a select without a table has one row");
  return row;
}

/** The same as gauges. */
export async function readReconciliationGauges(db: Db): Promise<Sample[]> {
  const state = await readReconciliation(db);
  return [
    ...meterNames.map((meter): Sample => ({
      name: "meter_outbox_sums_different_customers",
      labels: { meter },
      value: state.different[meter] ?? 0,
    })),
    { name: "meter_outbox_unreconciled_period_age_seconds", value: state.unreconciledSeconds },
    { name: "meter_outbox_reconcile_reads", value: state.reads },
    ...(state.readsLeft === null
      ? []
      : [{ name: "meter_outbox_reconcile_reads_left", value: state.readsLeft } as const]),
    { name: "meter_outbox_reconcile_put_off", value: state.putOff },
    { name: "meter_outbox_doubts", labels: { kind: "in_doubt" }, value: state.inDoubt },
    { name: "meter_outbox_doubts", labels: { kind: "reported" }, value: state.reported },
  ];
}

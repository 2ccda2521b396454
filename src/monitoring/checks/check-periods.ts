import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { countBilledTwice } from "../billed-twice.ts";
import { lacksUsage } from "../not-billed.ts";
import { isOverdueDraft } from "../overdue-drafts.ts";
import { type Finding, ok, problem } from "./finding.ts";

const check = "billing periods";

type Counted = { waiting: number; overdue: number; lacking: number; without: number; different: number };

/** Whether invoices are final and have all usage of their periods, and Stripe's sums of ended periods are ours. */
export async function checkPeriods(db: Db): Promise<Finding> {
  const counted = await sql<Counted>`
    select
      count(*) filter (
        where closed_at is null and (drafted.period_start is not null or period_end > now() - interval '1 day')
          and period_end <= now()
      )::float8 as waiting,
      count(*) filter (where drafted.is_overdue)::float8 as overdue,
      count(*) filter (where closed_at is not null and ${lacksUsage})::float8 as lacking,
      count(*) filter (where closed_at is null and ${lacksUsage})::float8 as without,
      count(*) filter (where books = 'different' and period_end > now() - interval '35 days')::float8 as different
    from metering.billing_periods p
    left join (
      select organization_id, period_start, bool_or(${isOverdueDraft}) as is_overdue
      from metering.billing_invoices i
      where status = 'draft'
      group by organization_id, period_start
    ) drafted using (organization_id, period_start)
  `.execute(db);
  const none = { waiting: 0, overdue: 0, lacking: 0, without: 0, different: 0 };
  const { waiting, overdue, lacking, without, different } = counted.rows[0] ?? none;
  const twice = await countBilledTwice(db);
  const remedy = "run `node dist/cli.js statement` and see docs/reconciliation.md#statements";
  const found = [
    ...(overdue > 0
      ? [
          `a person has to finalize the drafts of ${overdue} at Stripe (last_finalization_error, or auto_advance is off)`,
        ]
      : []),
    ...(lacking > 0 ? [`the final invoices of ${lacking} lack usage`] : []),
    ...(without > 0 ? [`Stripe made no invoice for ${without}, which have usage`] : []),
    ...(twice > 0 ? [`two subscriptions or prices bill the same usage of ${twice}: end one at Stripe`] : []),
    ...(different > 0 ? [`Stripe's sums of ${different} are not ours`] : []),
  ];
  if (found.length > 0) return problem(check, found.join("; "), remedy);
  return ok(
    check,
    waiting === 0 ? "none is waiting for its invoice" : `${waiting} wait for their final invoice`,
  );
}

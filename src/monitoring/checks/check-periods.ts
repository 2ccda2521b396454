import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { lacksUsage } from "../not-billed.ts";
import { type Finding, ok, problem } from "./finding.ts";

const check = "billing periods";

type Counted = { open: number; lacking: number; different: number };

/** Whether final invoices have all usage of their periods, and Stripe's sums of ended periods are ours. */
export async function checkPeriods(db: Db): Promise<Finding> {
  const counted = await sql<Counted>`
    select
      count(*) filter (where closed_at is null and period_end <= now())::float8 as open,
      count(*) filter (where ${lacksUsage})::float8 as lacking,
      count(*) filter (where books = 'different' and period_end > now() - interval '35 days')::float8 as different
    from metering.billing_periods p
  `.execute(db);
  const { open, lacking, different } = counted.rows[0] ?? { open: 0, lacking: 0, different: 0 };
  const remedy = "run `node dist/cli.js statement` and see docs/reconciliation.md#statements";
  if (lacking > 0) return problem(check, `the final invoices of ${lacking} lack usage`, remedy);
  if (different > 0) return problem(check, `Stripe's sums of ${different} are not ours`, remedy);
  return ok(check, open === 0 ? "none is waiting for its invoice" : `${open} wait for their final invoice`);
}

import { sql, type Transaction } from "kysely";
import type { DB } from "../database/schema.ts";
import type { ErrorReport } from "../stripe/reads.ts";
import type { MeterName } from "../usage/meters.ts";

/** Stripe validates within seconds; usage delivered this long before a report's window may still belong to it. */
const validationLagSeconds = 60;

/**
 * Rejects the meter events that Stripe's report names, with Stripe's reason. The name may be the event's identifier or
 * the key of the request that sent it (`<identifier>:a<attempt>`). Where the report counts more failures than it
 * names, the meter's other events of the window are marked for reconciliation.
 */
export async function rejectReported(
  trx: Transaction<DB>,
  report: ErrorReport,
  { meter }: { meter: MeterName | undefined },
): Promise<{ rejected: number; marked: number }> {
  const rejected = await sql`
    update metering.meter_events m
    set state = 'rejected', reason = e.code, last_error = e.message
    from unnest(
      ${report.errors.map(({ identifier }) => identifier.replace(/:a\d+$/, ""))}::text[],
      ${report.errors.map(({ code }) => code)}::text[],
      ${report.errors.map(({ message }) => message)}::text[]
    ) as e (identifier, code, message)
    where m.id::text = e.identifier and m.state in ('pending', 'delivered')
    returning m.id
  `.execute(trx);
  const isComplete = report.errorCount <= report.errors.length;
  const marked = isComplete ? 0 : await markForReconciliation(trx, report, meter);
  return { rejected: rejected.rows.length, marked };
}

async function markForReconciliation(
  trx: Transaction<DB>,
  report: ErrorReport,
  meter: MeterName | undefined,
): Promise<number> {
  const marked = await sql`
    update metering.meter_events
    set reconcile_since = coalesce(reconcile_since, now())
    where state = 'delivered'
      and delivered_at >= ${report.validationStart}::timestamptz - make_interval(secs => ${validationLagSeconds})
      and delivered_at <= ${report.validationEnd}::timestamptz + make_interval(secs => ${validationLagSeconds})
      and ${meter === undefined ? sql`true` : sql`meter = ${meter}`}
    returning id
  `.execute(trx);
  return marked.rows.length;
}

/** Rejects what waits for a customer that Stripe has deleted: it would be accepted, and billed to nobody. */
export async function rejectOfCustomer(trx: Transaction<DB>, customerId: string): Promise<void> {
  await sql`
    update metering.meter_events
    set state = 'rejected', reason = 'customer_deleted'
    where stripe_customer_id = ${customerId} and state = 'pending' and attempts_started = attempts_finished
  `.execute(trx);
}

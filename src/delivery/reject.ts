import { sql } from "kysely";
import { listOrganizationsOf } from "../database/customer-organizations.ts";
import type { Trx } from "../database/db.ts";
import { storableText } from "../database/storable.ts";
import type { ErrorReport } from "../stripe/reads.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import type { MeterName } from "../usage/meters.ts";

/** Stripe validates within seconds; usage sent this long before a report's window may still belong to it. */
const validationLagSeconds = 60;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Reasons of rejected events that Stripe perhaps never took; `metering.retry_rejected_events` sends these again as they are. */
const untakenReasons = ["refused_by_stripe", "crashes_worker", "customer_deleted"];

/** A meter event that was rejected by a later report, not by its own attempt's answer, and its latest attempt. */
export type RejectedEvent = MeterEventKey & {
  meter: string;
  attempt: number;
  reason: string;
};

const asRejected = sql.raw(
  `m.organization_id as "organizationId", m.id as "meterEventId", m.meter, m.attempts_started as attempt, m.reason`,
);

/**
 * Rejects the meter events that Stripe's report names, with Stripe's reason. The name may be the event's identifier or
 * the key of the request that sent it (`<identifier>:a<attempt>`). Where the report counts more failures than it
 * names, the other events that were sent around its window are marked for reconciliation, with the report's reason: those
 * of `meters`, the ones that the report may be about.
 */
export async function rejectReported(
  trx: Trx,
  report: ErrorReport,
  { meters }: { meters: readonly MeterName[] },
): Promise<{ rejected: RejectedEvent[]; marked: number }> {
  // Other senders on this Stripe account may use identifiers that are not UUIDs.
  const named = report.errors
    .map((error) => ({ ...error, identifier: error.identifier.replace(/:a\d+$/, "") }))
    .filter(({ identifier }) => uuid.test(identifier));
  const rejected = await sql<RejectedEvent>`
    update metering.meter_events m
    set state = 'rejected', reason = e.code, last_error = e.message
    from unnest(
      ${named.map(({ identifier }) => identifier)}::uuid[],
      ${named.map(({ code }) => storableText(code))}::text[],
      ${named.map(({ message }) => storableText(message))}::text[]
    ) as e (id, code, message)
    where m.id = e.id
      and (
        m.state in ('pending', 'delivered', 'in_doubt')
        -- Stripe took it after all: a retry must not send its identifier again.
        or m.state = 'rejected' and m.reason = any(${untakenReasons})
      )
    returning ${asRejected}
  `.execute(trx);
  const isComplete = report.errorCount <= report.errors.length;
  const marked = isComplete ? 0 : await markForReconciliation(trx, report, meters);
  return { rejected: rejected.rows, marked };
}

/** Where a report gives no reason at all. */
const unnamedCode = "reported_by_stripe";
const unnamedMessage = "Stripe reported failures without naming this event";

// Stripe may have taken an event at any time between its first and its last attempt, also one that is still pending
// because the answer was lost.
async function markForReconciliation(
  trx: Trx,
  report: ErrorReport,
  meters: readonly MeterName[],
): Promise<number> {
  const { code = unnamedCode, message = unnamedMessage } = report.unnamed ?? {};
  const marked = await sql`
    update metering.meter_events m
    set
      reconcile_since = coalesce(m.reconcile_since, t.at),
      reported_code = case when m.reconcile_since is null then ${storableText(code)} else m.reported_code end,
      reported_message = case when m.reconcile_since is null then ${storableText(message)} else m.reported_message end
    from (select now() as at) t
    where m.state in ('pending', 'delivered', 'in_doubt') and m.meter = any(${meters})
      and coalesce(m.delivered_at, m.last_attempt_at)
        >= ${report.validationStart}::timestamptz - make_interval(secs => ${validationLagSeconds})
      and coalesce(m.first_attempt_at, m.delivered_at)
        <= ${report.validationEnd}::timestamptz + make_interval(secs => ${validationLagSeconds})
    returning m.id
  `.execute(trx);
  return marked.rows.length;
}

/**
 * Rejects usage that waits for a customer that Stripe has deleted: Stripe would accept it, and bill no customer for it.
 * An attempt under way is not waited for, since the event would be sent again if it failed; its outcome changes nothing
 * any more.
 */
export async function rejectOfCustomer(trx: Trx, customerId: string): Promise<RejectedEvent[]> {
  const organizationIds = await listOrganizationsOf(trx, customerId);
  if (organizationIds.length === 0) return [];
  const rejected = await sql<RejectedEvent>`
    update metering.meter_events m
    set state = 'rejected', reason = 'customer_deleted'
    where organization_id = any(${organizationIds}::uuid[])
      and stripe_customer_id = ${customerId} and state = 'pending'
    returning ${asRejected}
  `.execute(trx);
  return rejected.rows;
}

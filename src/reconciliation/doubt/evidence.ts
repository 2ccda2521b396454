import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import type { MeterEventKey } from "../../usage/meter-event-key.ts";
import { newestLook } from "../newest-look.ts";

/** A look at Stripe's sum of a window that holds an event in doubt. Quantities are decimal strings. */
export type Evidence = {
  start: Date;
  end: Date;
  /** What is certainly at Stripe, what may be, and what Stripe has. */
  ours: string;
  doubtful: string;
  theirs: string;
  /** Why the sum does not explain the doubt; null: it does, or another look must agree. */
  reason: string | null;
  readAt: Date;
};

/** The look that the end of an event's doubt goes by or, while it is in doubt, the newest; undefined before the first. */
export async function findEvidence(
  db: Db,
  { organizationId, meterEventId }: MeterEventKey,
): Promise<Evidence | undefined> {
  const found = await sql<Evidence>`
    select
      r.window_start as start, r.window_end as "end", r.ours::text as ours, r.doubtful::text as doubtful,
      r.theirs::text as theirs, case when r.result = 'different' then r.reason end as reason, r.read_at as "readAt"
    from metering.meter_events m
    join metering.reconciliations r
      on r.organization_id = ${organizationId}
      and r.id = coalesce(
        m.evidence_id,
        case
          when m.state = 'in_doubt' or m.reconcile_since is not null then (
            select r.id
            from metering.reconciliations r
            ${newestLook({
              organizationId: sql`${organizationId}`,
              meter: sql`m.meter`,
              customer: sql`m.stripe_customer_id`,
              at: sql`m.event_at`,
            })}
          )
        end
      )
    where m.organization_id = ${organizationId} and m.id = ${meterEventId}
  `.execute(db);
  return found.rows[0];
}

/** Pure. `Stripe's sum of 2026-11-20T08:00:00.000Z to … was 12, certain 7, in doubt 5, read at …`. */
export function describeEvidence({ start, end, ours, doubtful, theirs, reason, readAt }: Evidence): string {
  const window = `${start.toISOString()} to ${end.toISOString()}`;
  const sums = `was ${theirs}, certain ${ours}, in doubt ${doubtful}, read at ${readAt.toISOString()}`;
  return `Stripe's sum of ${window} ${sums}${reason === null ? "" : ` (${reason})`}`;
}

import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import type { MeterName } from "../usage/meters.ts";
import { floorTo, hourMs, type Span } from "./windows.ts";

/**
 * The customers whose sums have an organization's usage of a meter: those of its events, and the present one even without
 * any. An organization may have had several.
 */
export async function findCustomers(
  db: Db,
  { organizationId, meter, start, end }: { organizationId: string; meter: MeterName } & Span,
): Promise<string[]> {
  const found = await sql<{ customer: string }>`
    select stripe_customer_id as customer
    from metering.meter_events
    where organization_id = ${organizationId} and meter = ${meter}
      and hour >= ${floorTo(start, hourMs)}::timestamptz and hour < ${end}::timestamptz
      and event_at >= ${start}::timestamptz and event_at < ${end}::timestamptz
    union
    select stripe_customer_id
    from metering.subscriptions
    where organization_id = ${organizationId} and stripe_customer_id is not null
    order by customer
  `.execute(db);
  return found.rows.map(({ customer }) => customer);
}

import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import type { Subscription } from "./subscriptions.ts";

/**
 * Why an organization's sensors are not counted, in words; undefined: they are counted. `statuses`: the billable ones.
 */
export function whyNotBillable(
  { archivedAt, subscription }: { archivedAt: Date | null; subscription: Subscription | null },
  statuses: readonly string[],
): string | undefined {
  if (archivedAt !== null) return "it is archived";
  if (subscription === null || subscription.stripeCustomerId === null) return "it is linked to no customer";
  if (statuses.includes(subscription.status)) return undefined;
  return `its status ${subscription.status} is not among BILLABLE_STATUSES`;
}

export type Unbillable = { organizationId: string; customer: string; status: string; activeSensors: number };

/**
 * Organizations that are linked to a customer, not archived, and not billable, the ones with the most sensors first.
 */
export async function listUnbillable(db: Db, statuses: readonly string[]): Promise<Unbillable[]> {
  const found = await sql<Unbillable>`
    select
      s.organization_id as "organizationId",
      s.stripe_customer_id as customer,
      s.status,
      (
        select count(*)::int from metering.sensors
        where organization_id = s.organization_id and deactivated_at is null
      ) as "activeSensors"
    from metering.subscriptions s
    join metering.organizations o on o.id = s.organization_id
    where s.stripe_customer_id is not null and o.archived_at is null and s.status <> all(${statuses}::text[])
    order by "activeSensors" desc, s.organization_id
  `.execute(db);
  return found.rows;
}

/** How many such organizations there are. */
export async function countUnbillable(db: Db, statuses: readonly string[]): Promise<number> {
  const counted = await sql<{ count: number }>`
    select count(*)::int as count
    from metering.subscriptions s
    join metering.organizations o on o.id = s.organization_id
    -- As a value, so that nothing offers the index of customers.
    where coalesce(s.stripe_customer_id, '') <> '' and o.archived_at is null and s.status <> all(${statuses}::text[])
  `.execute(db);
  return counted.rows[0]?.count ?? 0;
}

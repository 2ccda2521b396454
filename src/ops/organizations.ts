import { type Kysely, sql } from "kysely";
import type { Subscription } from "../billing/subscriptions.ts";
import type { DB } from "../database/schema.ts";

export type NewOrganization = { id: string; name: string; createdAt: Date };

export type Organization = NewOrganization & { subscription: Subscription | null; activeSensors: number };

/** Creates an organization. Names need not be unique. */
export async function createOrganization(
  db: Kysely<DB>,
  { name }: { name: string },
): Promise<NewOrganization> {
  return db
    .insertInto("organizations")
    .values({ name })
    .returning(["id", "name", "created_at as createdAt"])
    .executeTakeFirstOrThrow();
}

/** The organization, or undefined if there is none. */
export async function findOrganization(db: Kysely<DB>, id: string): Promise<Organization | undefined> {
  const [organization] = await selectOrganizations(db, { id, after: null, limit: 1 });
  return organization;
}

/** Whether there is such an organization. */
export async function hasOrganization(db: Kysely<DB>, id: string): Promise<boolean> {
  const found = await db.selectFrom("organizations").select("id").where("id", "=", id).executeTakeFirst();
  return found !== undefined;
}

/** Organizations in the order of their creation, after the one whose id is given, at most `limit`. */
export async function listOrganizations(
  db: Kysely<DB>,
  { after, limit }: { after: string | undefined; limit: number },
): Promise<Organization[]> {
  return selectOrganizations(db, { id: null, after: after ?? null, limit });
}

type Selection = { id: string | null; after: string | null; limit: number };

type OrganizationRow = NewOrganization &
  Omit<Subscription, "status"> & { status: string | null; activeSensors: number };

async function selectOrganizations(db: Kysely<DB>, { id, after, limit }: Selection): Promise<Organization[]> {
  const selected = await sql<OrganizationRow>`
    select
      o.id,
      o.name,
      o.created_at as "createdAt",
      s.stripe_customer_id as "stripeCustomerId",
      s.stripe_subscription_id as "stripeSubscriptionId",
      s.status,
      s.current_period_start as "currentPeriodStart",
      s.current_period_end as "currentPeriodEnd",
      (
        select count(*)::int from metering.sensors
        where organization_id = o.id and deactivated_at is null
      ) as "activeSensors"
    from metering.organizations o
    left join metering.subscriptions s on s.organization_id = o.id
    where (${id}::uuid is null or o.id = ${id}::uuid)
      and (${after}::uuid is null or o.id > ${after}::uuid)
    order by o.id
    limit ${limit}
  `.execute(db);
  return selected.rows.map(toOrganization);
}

function toOrganization(row: OrganizationRow): Organization {
  const { id, name, createdAt, activeSensors, status, ...rest } = row;
  return { id, name, createdAt, activeSensors, subscription: status === null ? null : { status, ...rest } };
}

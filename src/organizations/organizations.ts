import { sql } from "kysely";
import type { Subscription } from "../billing/subscriptions.ts";
import type { Db } from "../database/db.ts";
import { readUninvoiced, type UninvoicedUsage } from "../outbox/uninvoiced.ts";

export type NewOrganization = { id: string; name: string; externalId: string | null; createdAt: Date };

export type Organization = NewOrganization & {
  archivedAt: Date | null;
  subscription: Subscription | null;
  /** The organization's usage that no invoice will have. */
  uninvoiced: readonly UninvoicedUsage[];
  activeSensors: number;
};

/** `holderId`: the organization that has the external id; undefined when it has given the id up meanwhile. */
export type ExternalIdTaken = { kind: "external_id_taken"; externalId: string; holderId: string | undefined };

/** Creates an organization. Names need not be unique; external ids are. */
export async function createOrganization(
  db: Db,
  { name, externalId = null }: { name: string; externalId?: string | null | undefined },
): Promise<({ kind: "created" } & NewOrganization) | ExternalIdTaken> {
  const created = await db
    .insertInto("organizations")
    .values({ name, external_id: externalId })
    .onConflict((conflict) => conflict.column("external_id").doNothing())
    .returning(["id", "name", "external_id as externalId", "created_at as createdAt"])
    .executeTakeFirst();
  if (created !== undefined) return { kind: "created", ...created };
  if (externalId === null) throw new Error("an organization without an external id met another");
  return describeHolder(db, externalId);
}

/** The organization that holds an external id which was refused to another one. */
export async function describeHolder(db: Db, externalId: string): Promise<ExternalIdTaken> {
  const holder = await db
    .selectFrom("organizations")
    .select("id")
    .where("external_id", "=", externalId)
    .executeTakeFirst();
  return { kind: "external_id_taken", externalId, holderId: holder?.id };
}

/** The organization, or undefined if there is none. */
export async function findOrganization(db: Db, id: string): Promise<Organization | undefined> {
  const [organization] = await selectOrganizations(db, { id, limit: 1 });
  return organization;
}

/** Whether there is such an organization. */
export async function hasOrganization(db: Db, id: string): Promise<boolean> {
  const found = await db.selectFrom("organizations").select("id").where("id", "=", id).executeTakeFirst();
  return found !== undefined;
}

export type OrganizationFilter = {
  externalId?: string | undefined;
  isArchived?: boolean | undefined;
  /** Part of its name in any case, or its id, external id or Stripe customer in full. */
  search?: string | undefined;
  /** Only those that no Stripe customer pays for now, so that their usage is held. */
  isHeld?: boolean | undefined;
  /** The id of the last organization of the page before. */
  after: string | undefined;
  limit: number;
};

/** Organizations in the order of their creation. */
export async function listOrganizations(db: Db, filter: OrganizationFilter): Promise<Organization[]> {
  return selectOrganizations(db, filter);
}

type Selection = Partial<OrganizationFilter> & { id?: string; limit: number };

type OrganizationRow = NewOrganization &
  Omit<Subscription, "status"> & { archivedAt: Date | null; status: string | null };

async function selectOrganizations(
  db: Db,
  { id, externalId, isArchived, isHeld, search, after, limit }: Selection,
): Promise<Organization[]> {
  const selected = await sql<OrganizationRow>`
    select
      o.id,
      o.name,
      o.external_id as "externalId",
      o.created_at as "createdAt",
      o.archived_at as "archivedAt",
      s.stripe_customer_id as "stripeCustomerId",
      s.stripe_subscription_id as "stripeSubscriptionId",
      s.status,
      s.current_period_start as "currentPeriodStart",
      s.current_period_end as "currentPeriodEnd",
      s.customer_fault as "customerFault"
    from metering.organizations o
    left join metering.subscriptions s on s.organization_id = o.id
    where true
      ${id === undefined ? sql`` : sql`and o.id = ${id}`}
      ${externalId === undefined ? sql`` : sql`and o.external_id = ${externalId}`}
      ${isArchived === undefined ? sql`` : sql`and (o.archived_at is not null) = ${isArchived}`}
      ${search === undefined ? sql`` : sql`and ${isCalled(search)}`}
      ${isHeld === true ? sql`and s.stripe_customer_id is null` : sql``}
      ${after === undefined ? sql`` : sql`and o.id > ${after}`}
    order by o.id
    limit ${limit}
  `.execute(db);
  const linked = selected.rows.filter(({ stripeCustomerId }) => stripeCustomerId !== null);
  const uninvoiced = await readUninvoiced(db, { organizationIds: linked.map((row) => row.id) });
  const byOrganization = Map.groupBy(uninvoiced, ({ organizationId }) => organizationId);
  const active = await countActiveSensors(
    db,
    selected.rows.map((row) => row.id),
  );
  return selected.rows.map((row) => ({
    ...toOrganization(row, byOrganization.get(row.id) ?? []),
    activeSensors: active.get(row.id) ?? 0,
  }));
}

async function countActiveSensors(
  db: Db,
  organizationIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const counted = await sql<{ organizationId: string; sensors: number }>`
    select organization_id as "organizationId", count(*)::int as sensors
    from metering.sensors
    where organization_id = any(${organizationIds}::uuid[]) and deactivated_at is null
    group by organization_id
  `.execute(db);
  return new Map(counted.rows.map(({ organizationId, sensors }) => [organizationId, sensors]));
}

function isCalled(search: string) {
  return sql`(
    position(lower(${search}) in lower(o.name)) > 0
    or ${search} in (o.id::text, o.external_id, s.stripe_customer_id)
  )`;
}

function toOrganization(
  row: OrganizationRow,
  uninvoiced: readonly UninvoicedUsage[],
): Omit<Organization, "activeSensors"> {
  const { id, name, externalId, createdAt, archivedAt, status, ...rest } = row;
  const isLinked = status !== null && (rest.stripeCustomerId ?? rest.stripeSubscriptionId) !== null;
  const subscription = isLinked ? { status, ...rest } : null;
  return { id, name, externalId, createdAt, archivedAt, subscription, uninvoiced };
}

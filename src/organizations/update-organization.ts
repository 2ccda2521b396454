import { sql } from "kysely";
import type { Db, Trx } from "../database/db.ts";
import { readWaitingUsage, type WaitingUsage } from "../outbox/waiting-usage.ts";
import {
  describeHolder,
  type ExternalIdTaken,
  findOrganization,
  type Organization,
} from "./organizations.ts";

/** The changes to an organization; undefined fields stay as they are. An external id of null takes it away. */
export type OrganizationChange = {
  name?: string | undefined;
  externalId?: string | null | undefined;
  isArchived?: boolean | undefined;
};

export type OrganizationUpdate =
  | { kind: "updated"; organization: Organization }
  | { kind: "not_found" }
  | ExternalIdTaken
  /** Its usage waits, so that it cannot be archived yet. */
  | { kind: "usage_waits"; waiting: WaitingUsage };

/** Postgres's code for a value that another row has. */
const uniqueViolation = "23505";

/**
 * Changes an organization, everything that was asked, or nothing. Archiving is refused while its usage waits. `alsoIn` does
 * more in the same transaction, when something was changed.
 */
export async function updateOrganization(
  db: Db,
  id: string,
  change: OrganizationChange,
  alsoIn: (trx: Trx) => Promise<void> = async () => {},
): Promise<OrganizationUpdate> {
  try {
    return await db.transaction().execute(async (trx) => {
      const updated = await update(trx, id, change);
      if (updated.kind === "updated") await alsoIn(trx);
      return updated;
    });
  } catch (error) {
    const isTaken = error instanceof Error && "code" in error && error.code === uniqueViolation;
    if (!isTaken || typeof change.externalId !== "string") throw error;
    return describeHolder(db, change.externalId);
  }
}

async function update(
  trx: Trx,
  id: string,
  { name, externalId, isArchived }: OrganizationChange,
): Promise<OrganizationUpdate> {
  const before = await trx
    .selectFrom("organizations")
    .select("archived_at")
    .where("id", "=", id)
    .forUpdate()
    .executeTakeFirst();
  if (before === undefined) return { kind: "not_found" };
  if (isArchived === true && before.archived_at === null) {
    const waiting = await readWaitingUsage(trx, id);
    if (Object.values(waiting).includes(true)) return { kind: "usage_waits", waiting };
  }
  const isArchivedAnew = isArchived === true && before.archived_at === null;
  const archivedAt = isArchived === false ? sql`null` : isArchivedAnew ? sql`now()` : sql`archived_at`;
  await sql`
    update metering.organizations
    set
      name = coalesce(${name ?? null}, name),
      external_id = case when ${externalId === undefined} then external_id else ${externalId ?? null} end,
      archived_at = ${archivedAt}
    where id = ${id}
  `.execute(trx);
  const organization = await findOrganization(trx, id);
  if (organization === undefined) throw new Error(`the organization ${id} is locked, and gone`);
  // After all that is read: a cluster reads no more where two roles have written in one transaction.
  if (isArchived === false && before.archived_at !== null) {
    await sql`select metering.note_unarchived(${id})`.execute(trx);
  }
  return { kind: "updated", organization };
}

/** Why an organization cannot be archived, for people. */
export function describeWaiting({ isUnsealed, isPending, isInDoubt }: WaitingUsage): string {
  const waits = [
    ...(isUnsealed ? ["entries are not sealed"] : []),
    ...(isPending ? ["meter events are pending"] : []),
    ...(isInDoubt ? ["meter events are in doubt"] : []),
  ];
  return `Usage of the organization waits: ${waits.join(", ")}. It can be archived when all has ended its way.`;
}

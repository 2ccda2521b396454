import { type RawBuilder, sql } from "kysely";

/** What a statement concerns; `isOneShard`: these lie on one shard of a cluster, which is told so. */
export type ShardInput = {
  organizations: readonly { organizationId: string }[];
  isOneShard?: boolean | undefined;
};

/** Makes the condition for a table; `column` is that of the organization. */
export type InShard = (table: string, column?: string) => RawBuilder<boolean>;

const anyOrganizations: ShardInput = { organizations: [] };

/**
 * A further condition on a table of the statement: its organization is one of these. Where all tables have it, a cluster
 * sends the statement to the shard whole, whatever its form. A plain Postgres is not asked: the joins say the same.
 */
export function namesOrganizations({
  organizations,
  isOneShard = false,
}: ShardInput = anyOrganizations): InShard {
  if (!isOneShard) return () => sql<boolean>``;
  const ids = organizations.map(({ organizationId }) => organizationId);
  return (table, column = "organization_id") =>
    sql<boolean>`and ${sql.ref(`${table}.${column}`)} = any(${ids}::uuid[])`;
}

/**
 * A shard in parts of so many organizations at most, for a statement that looks up one organization after the other: each
 * look-up reads the whole list of names. Without names it stays as it is.
 */
export function inParts(shard: ShardInput, organizationsMax: number): ShardInput[] {
  const { organizations, isOneShard = false } = shard;
  if (!isOneShard) return [shard];
  const parts = Math.ceil(organizations.length / organizationsMax);
  return Array.from({ length: parts }, (_, n) => ({
    organizations: organizations.slice(n * organizationsMax, (n + 1) * organizationsMax),
    isOneShard,
  }));
}

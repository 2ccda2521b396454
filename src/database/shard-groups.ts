import { sql } from "kysely";
import type { ShardInput } from "./by-shard.ts";
import type { Db } from "./db.ts";
import { groupByShard, type Shards, wholeDatabase } from "./shards.ts";
import { shardsOf } from "./shards-of.ts";

/** The organizations of a cluster, all or only this one, by shard; one group without names where there are no shards. */
export async function listShardGroups(
  db: Db,
  shards: Shards = shardsOf(db),
  { only = null }: { only?: string | undefined | null } = {},
): Promise<(ShardInput | undefined)[]> {
  const found = await shards.find([anyId]);
  if (found.get(anyId) === wholeDatabase) return [undefined];
  const { rows } = await sql<{ organizationId: string }>`
    select id as "organizationId" from metering.organizations where coalesce(id = ${only}::uuid, true)
  `.execute(db);
  return groupOrganizations(
    db,
    rows.map(({ organizationId }) => organizationId),
    shards,
  );
}

/** These organizations by shard; all of them together where there are no shards. */
export async function groupOrganizations(
  db: Db,
  organizationIds: readonly string[],
  shards: Shards = shardsOf(db),
): Promise<ShardInput[]> {
  const places = await shards.find(organizationIds);
  const groups = groupByShard(organizationIds, (id) => places.get(id) ?? wholeDatabase);
  return groups.map(([shard, ids]) => ({
    organizations: ids.map((organizationId) => ({ organizationId })),
    isOneShard: shard !== wholeDatabase,
  }));
}

/** Every id has a shard, whether an organization has it or not. */
const anyId = "00000000-0000-0000-0000-000000000000";

import { sql } from "kysely";
import type { ShardInput } from "./by-shard.ts";
import type { Db } from "./db.ts";
import { type Shards, wholeDatabase } from "./shards.ts";

/** The organizations of a cluster, all or only this one, by shard; one group without names where there are no shards. */
export async function listShardGroups(
  db: Db,
  shards: Shards,
  { only = null }: { only?: string | undefined | null } = {},
): Promise<(ShardInput | undefined)[]> {
  const found = await shards.find([anyId]);
  if (found.get(anyId) === wholeDatabase) return [undefined];
  const { rows } = await sql<{ organizationId: string }>`
    select id as "organizationId" from metering.organizations where coalesce(id = ${only}::uuid, true)
  `.execute(db);
  const places = await shards.find(rows.map(({ organizationId }) => organizationId));
  const groups = Map.groupBy(rows, ({ organizationId }) => places.get(organizationId)?.id);
  return [...groups.values()].map((organizations) => ({ organizations, isOneShard: true }));
}

/** Every id has a shard, whether an organization has it or not. */
const anyId = "00000000-0000-0000-0000-000000000000";

import { sql } from "kysely";
import type { ShardInput } from "./by-shard.ts";
import type { Db } from "./db.ts";
import { type EachShard, onEachShard } from "./each-shard.ts";
import { groupByShard, type Shards, wholeDatabase } from "./shards.ts";
import { shardsOf } from "./shards-of.ts";
import type { NodesAway } from "./silent-nodes.ts";

/**
 * Runs `work` for all organizations, or for `only` these, as `onEachShard` does: on a cluster shard by shard, elsewhere once,
 * and then without names where all are meant.
 */
export async function onEachShardGroup<R>(
  db: Db,
  {
    shards = shardsOf(db),
    only,
    nodesAway,
  }: { shards?: Shards; only?: readonly string[] | undefined; nodesAway?: NodesAway | undefined },
  work: (shard: ShardInput) => Promise<R>,
): Promise<EachShard<{ organizationId: string }, R>> {
  const ids = only ?? (await listOnShards(db, shards));
  const organizations = (ids ?? []).map((organizationId) => ({ organizationId }));
  return onEachShard(ids && shards, organizations, {
    keyOf: (organization) => organization,
    work: (group, isOneShard) => work({ organizations: group, isOneShard }),
    nodesAway,
  });
}

/** All organizations of a cluster by shard; one group without names where there are no shards. */
export async function listShardGroups(
  db: Db,
  shards: Shards = shardsOf(db),
): Promise<(ShardInput | undefined)[]> {
  const ids = await listOnShards(db, shards);
  return ids === undefined ? [undefined] : groupOrganizations(db, ids, shards);
}

/** All organizations of a cluster; undefined where there are no shards. */
async function listOnShards(db: Db, shards: Shards): Promise<string[] | undefined> {
  if (!(await hasShards(shards))) return undefined;
  const { rows } = await sql<{ id: string }>`select id from metering.organizations`.execute(db);
  return rows.map(({ id }) => id);
}

export async function hasShards(shards: Shards): Promise<boolean> {
  return (await shards.find([anyId])).get(anyId) !== wholeDatabase;
}

/** Every id has a shard, whether an organization has it or not. */
const anyId = "00000000-0000-0000-0000-000000000000";

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

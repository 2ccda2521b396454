import type pg from "pg";
import { inject } from "vitest";
import { commitBatches } from "../../intake/commit-batches.ts";
import type { StoredAs } from "../../intake/judge-stored.ts";
import { storeOnShard } from "../../intake/store-on-shard.ts";
import type { Batch } from "../../intake/columns.ts";
import { storeBatches } from "../../intake/store-readings.ts";

/** Plain Postgres stores in one statement; a cluster on the organizations' shard, in statements that Postgres takes, too. */
export const storeWays = ["in one statement", "on their shard"] as const;
export type StoreWay = (typeof storeWays)[number];

/** On a cluster there is one way. */
export function isOnShard(way: StoreWay): boolean {
  return way === "on their shard" || inject("testServer").cluster !== undefined;
}

/** Stores batches of one organization or shard in a transaction of their own. */
export async function commitIn(
  way: StoreWay,
  pool: pg.Pool,
  batches: readonly Batch[],
): Promise<StoredAs[][]> {
  return await commitBatches(pool, batches, { isCluster: isOnShard(way) });
}

/** The same in the client's open transaction. */
export async function storeIn(
  way: StoreWay,
  client: pg.PoolClient,
  batches: readonly Batch[],
): Promise<StoredAs[][]> {
  return await (isOnShard(way) ? storeOnShard(client, batches) : storeBatches(client, batches));
}

import type pg from "pg";
import { commitBatches } from "../../intake/commit-batches.ts";
import type { StoredAs } from "../../intake/judge-stored.ts";
import { storeOnShard } from "../../intake/store-on-shard.ts";
import type { Batch } from "../../intake/columns.ts";
import { storeBatches } from "../../intake/store-readings.ts";

/** Plain Postgres stores in one statement; a cluster on the organizations' shard, in statements that Postgres takes, too. */
export const storeWays = ["in one statement", "on their shard"] as const;
export type StoreWay = (typeof storeWays)[number];

/** Stores batches of one organization or shard in a transaction of their own. On a cluster there is one way. */
export async function commitIn(
  way: StoreWay,
  pool: pg.Pool,
  batches: readonly Batch[],
): Promise<StoredAs[][]> {
  const isCluster = way === "on their shard" || (await isOnCluster(pool));
  return commitBatches(pool, batches, { isCluster });
}

/** The same in the client's open transaction. */
export async function storeIn(
  way: StoreWay,
  client: pg.PoolClient,
  batches: readonly Batch[],
): Promise<StoredAs[][]> {
  const isCluster = way === "on their shard" || (await isOnCluster(client));
  return isCluster ? storeOnShard(client, batches) : storeBatches(client, batches);
}

async function isOnCluster(client: pg.Pool | pg.PoolClient): Promise<boolean> {
  const { rows } = await client.query<{ is: boolean }>(
    "select to_regclass('pg_catalog.pg_dist_node') is not null as is",
  );
  return rows[0]?.is === true;
}

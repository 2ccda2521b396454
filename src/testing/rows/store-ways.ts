import type pg from "pg";
import { inject } from "vitest";
import { commitBatches } from "../../intake/commit-batches.ts";
import type { StoredAs } from "../../intake/judge-stored.ts";
import { storeOnNode } from "../../intake/store-on-node.ts";
import type { Batch } from "../../intake/columns.ts";
import { storeBatches } from "../../intake/store-readings.ts";

/** Plain Postgres stores in one statement; a cluster on the organizations' node, with a function that Postgres runs, too. */
export const storeWays = ["in one statement", "on their node"] as const;
export type StoreWay = (typeof storeWays)[number];

/** On a cluster there is one way. */
export function isOnNode(way: StoreWay): boolean {
  return way === "on their node" || inject("testServer").cluster !== undefined;
}

/** Stores batches of one organization or node in a transaction of their own. */
export async function commitIn(
  way: StoreWay,
  pool: pg.Pool,
  batches: readonly Batch[],
): Promise<StoredAs[][]> {
  return await commitBatches(pool, batches, { isCluster: isOnNode(way) });
}

/** The same in the client's open transaction. */
export async function storeIn(
  way: StoreWay,
  client: pg.PoolClient,
  batches: readonly Batch[],
): Promise<StoredAs[][]> {
  return await (isOnNode(way) ? storeOnNode(client, batches) : storeBatches(client, batches));
}

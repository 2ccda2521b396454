import type pg from "pg";
import { inject } from "vitest";
import { commitBatches } from "../../intake/commit-batches.ts";
import type { StoredAs } from "../../intake/judge-stored.ts";
import type { Batch } from "../../intake/columns.ts";

/** Whether readings are stored by the function of a cluster's node, and not by the statement of one Postgres. */
export const isOnNode = inject("testServer").cluster !== undefined;

/** Stores batches of one organization or node in a transaction, in the way of the database that the tests run on. */
export async function commitHere(pool: pg.Pool, batches: readonly Batch[]): Promise<StoredAs[][]> {
  return await commitBatches(pool, batches, { isCluster: isOnNode });
}

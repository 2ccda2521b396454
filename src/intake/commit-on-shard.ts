import type pg from "pg";
import type { StoredAs } from "./judge-stored.ts";
import { OutcomeUnknown } from "./outcome-unknown.ts";
import { SensorChanged, storeOnShard } from "./store-on-shard.ts";
import type { Batch } from "./columns.ts";

/** A sensor may come into use while its readings are stored; not again and again. */
const triesMax = 5;

/**
 * Stores batches of one shard in one transaction. Throws `OutcomeUnknown` when it cannot be told whether the transaction
 * committed; after any other error nothing is stored.
 */
export async function commitOnShard(
  client: pg.ClientBase,
  batches: readonly Batch[],
  { traceparent }: { traceparent?: string | undefined } = {},
): Promise<StoredAs[][]> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await commitOnce(client, batches, traceparent);
    } catch (error) {
      if (!(error instanceof SensorChanged) || tries === triesMax) throw error;
    }
  }
}

async function commitOnce(
  client: pg.ClientBase,
  batches: readonly Batch[],
  traceparent: string | undefined,
): Promise<StoredAs[][]> {
  const stored = await storeOnShard(client, batches, { first: "begin;", traceparent }).catch(
    (error: unknown) => takeBack(client, error),
  );
  try {
    await client.query("commit");
  } catch (error) {
    // Also the coordinator's own words: the node may have committed and its answer was lost.
    throw new OutcomeUnknown(error);
  }
  return stored;
}

async function takeBack(client: pg.ClientBase, error: unknown): Promise<never> {
  try {
    await client.query("rollback");
  } catch {
    // The connection is of no use any more, and its end takes the transaction back.
    throw new OutcomeUnknown(error);
  }
  throw error;
}

import type pg from "pg";
import type { Batch } from "./columns.ts";
import type { StoredAs } from "./judge-stored.ts";
import { OutcomeUnknown } from "./outcome-unknown.ts";
import { isRefusedOnNode, wasNodeNotAsked } from "./refused-on-node.ts";
import { changedMeanwhileCode, storeOnNode } from "./store-on-node.ts";

/** What the function found may change while it stores readings; not again and again. */
const triesMax = 5;

/**
 * Stores batches of one node in one transaction, which the node commits by itself. Throws `OutcomeUnknown` when it cannot
 * be told whether it committed; after any other error nothing is stored.
 */
export async function commitOnNode(
  client: pg.ClientBase,
  batches: readonly Batch[],
  { traceparent }: { traceparent?: string | undefined } = {},
): Promise<StoredAs[][]> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await storeOnNode(client, batches, { traceparent });
    } catch (error) {
      if (!isRefusedOnNode(error) && !wasNodeNotAsked(error)) throw new OutcomeUnknown(error);
      if (error.code !== changedMeanwhileCode || tries === triesMax) throw error;
    }
  }
}

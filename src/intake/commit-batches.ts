import pg from "pg";
import { commitOnNode } from "./commit-on-node.ts";
import type { Reading } from "../usage/reading.ts";
import type { StoredAs } from "./judge-stored.ts";
import { OutcomeUnknown } from "./outcome-unknown.ts";
import type { Batch } from "./columns.ts";
import { wasNodeNotAsked } from "./refused-on-node.ts";
import { storeBatches } from "./store-readings.ts";

/**
 * Stores the valid readings of one request; answers in their order, after the commit. Throws `NotConnected`,
 * `OutcomeUnknown`, `Overloaded`, or Postgres's error.
 */
export type StoreReadings = (organizationId: string, readings: readonly Reading[]) => Promise<StoredAs[]>;

/** No connection could be had, so it is certain that nothing was sent. The cause says why. */
export class NotConnected extends Error {
  constructor(cause: unknown) {
    super("no connection to the database could be had", { cause });
    this.name = "NotConnected";
  }
}

/** `isCluster`: all batches are of one node. */
type CommitOptions = { traceparent?: string | undefined; isCluster?: boolean };

/**
 * Stores batches in one transaction on a connection of the pool. Throws `NotConnected`; `OutcomeUnknown` when the
 * connection broke before Postgres said whether the transaction committed (sending the same readings again is safe); or Postgres's own error, after which nothing is stored.
 */
export async function commitBatches(
  pool: pg.Pool,
  batches: readonly Batch[],
  options: CommitOptions = {},
): Promise<StoredAs[][]> {
  try {
    return await commitOnce(pool, batches, options);
  } catch (error) {
    if (!wasNodeNotAsked(error)) throw error;
    // That session is gone. In another one the coordinator asks the node, if it trusts the node's metadata.
    return commitOnce(pool, batches, options);
  }
}

async function commitOnce(
  pool: pg.Pool,
  batches: readonly Batch[],
  { traceparent, isCluster = false }: CommitOptions,
): Promise<StoredAs[][]> {
  const client = await connect(pool);
  let isBroken = false;
  try {
    const store = isCluster ? commitOnNode : storeBatches;
    return await store(client, batches, { traceparent });
  } catch (error) {
    isBroken = !isRefusedByServer(error);
    if (!isBroken || error instanceof OutcomeUnknown || wasNodeNotAsked(error)) throw error;
    throw new OutcomeUnknown(error);
  } finally {
    client.release(isBroken);
  }
}

/** Throws `NotConnected`. */
export async function connect(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw new NotConnected(error);
  }
}

/** The server itself says that the statement failed. A shutdown (57P0x) can hit between commit and answer. */
function isRefusedByServer(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof OutcomeUnknown) return false;
  if (!(error instanceof pg.DatabaseError)) return !isConnectionError(error);
  return error.code?.startsWith("57P0") !== true;
}

function isConnectionError(error: Error): boolean {
  return "code" in error || /connection|timeout/i.test(error.message);
}

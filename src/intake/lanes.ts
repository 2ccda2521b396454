import type pg from "pg";
import { type Shard, type Shards, wholeDatabase } from "../database/shards.ts";
import type { Tracer } from "../tracing/tracer.ts";
import { commitBatches } from "./commit-batches.ts";
import type { StoredAs } from "./judge-stored.ts";
import { createNodes } from "./nodes.ts";
import type { IntakeBounds } from "./presence.ts";
import { type Commit, shareStatements } from "./share-statements.ts";
import type { Batch } from "./columns.ts";
import { inStoreSpan } from "./store-span.ts";
import { createWaitingBatches } from "./waiting-batches.ts";

/** Requests of this size have statements of their own, so that small ones never wait behind them. */
const readingsLargeFrom = 250;
/**
 * Statements under way at once: of small requests one is prepared while Postgres works on the other; more of the large
 * ones would only take the processor and the pages of the index from each other. A cluster has other nodes to work on
 * meanwhile, and pays more for a transaction: of a node half as many.
 */
const statementsMax = { small: 2, large: 4, smallOfNode: 1, largeOfNode: 2 };

/** Stores one request's readings. */
type Lane = (batch: Batch) => Promise<StoredAs[]>;

export type Lanes = {
  known: (organizationId: string) => Lane | undefined;
  find: (organizationId: string) => Promise<Lane>;
};

type LaneOptions = { bounds: IntakeBounds; tracer: Tracer; now: () => number; shards: Shards };

/**
 * A lane for the organizations of each node, which share statements: one lane on a plain Postgres. On a cluster a lane has
 * a half of the bounds and of the connections.
 */
export function createLanes(pool: pg.Pool, { bounds, tracer, now, shards }: LaneOptions): Lanes {
  const nodeOf = createNodes({ bounds, connectionsMax: pool.options.max, now });
  const lanes = new Map<string, Lane>();

  function open(shard: Shard): Lane {
    const isCluster = shard !== wholeDatabase;
    const commitAll: Commit = (batches) =>
      inStoreSpan(tracer, batches, (traceparent) => commitBatches(pool, batches, { traceparent, isCluster }));
    const share = (commit: Commit, statements: number) =>
      shareStatements(commit, createWaitingBatches({ waitMsMax: bounds.waitMsMax, now }), statements);
    if (!isCluster)
      return bySize(share(commitAll, statementsMax.small), share(commitAll, statementsMax.large));
    const node = nodeOf(shard.node);
    const commit: Commit = (batches) => node.inTurn(() => forgetIfRefused(batches, commitAll));
    const store = bySize(share(commit, statementsMax.smallOfNode), share(commit, statementsMax.largeOfNode));
    return (batch) => node.presence.hold(batch.organizationId, batch.readings.length, () => store(batch));
  }

  /** A shard that is split or moved is known by its old name until a statement is refused. */
  async function forgetIfRefused(batches: readonly Batch[], commit: Commit): Promise<StoredAs[][]> {
    try {
      return await commit(batches);
    } catch (error) {
      shards.forget(batches.map(({ organizationId }) => organizationId));
      throw error;
    }
  }

  function laneOf(shard: Shard): Lane {
    const lane = lanes.get(shard.node) ?? open(shard);
    lanes.set(shard.node, lane);
    return lane;
  }

  return {
    known(organizationId) {
      const shard = shards.known(organizationId);
      return shard && laneOf(shard);
    },
    async find(organizationId) {
      const found = await shards.find([organizationId]);
      return laneOf(found.get(organizationId) ?? wholeDatabase);
    },
  };
}

function bySize(storeSmall: Lane, storeLarge: Lane): Lane {
  return (batch) => (batch.readings.length < readingsLargeFrom ? storeSmall(batch) : storeLarge(batch));
}

import type pg from "pg";
import { type Ask, createShards, type Shards } from "../database/shards.ts";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import { connect, type StoreReadings } from "./commit-batches.ts";
import { createLanes } from "./lanes.ts";
import { createPresence, type IntakeBounds } from "./presence.ts";

export type GroupCommitOptions = {
  bounds?: IntakeBounds;
  tracer?: Tracer;
  now?: () => number;
  /** Asked of the database when left out. */
  shards?: Shards;
};

const usualBounds: IntakeBounds = { requestsMax: 10_000, readingsMax: 100_000, waitMsMax: 5_000 };

/**
 * Group commit: requests that arrive while statements are under way share the next one, across the organizations of a
 * node, which on a plain Postgres are all; small ones and large ones apart. No request waits for a timer. Each caller gets
 * its own result after its own commit.
 *
 * - When Postgres refuses a shared statement, its requests are sent again one by one, so that a bad one fails alone.
 * - When the connection breaks, the outcome is unknown for all who shared the statement.
 * - When no connection can be had, the requests that wait are told at once, since they would wait for nothing.
 * - When `bounds` are reached, or one organization has half of them, a request is refused with `Overloaded`; nothing of it was stored. So no request waits for
 *   a statement that hangs and then for the next one that does. On a cluster a node has half of them, and of the pool's
 *   connections, so that the organizations of the other nodes do not wait for one that hangs.
 */
export function createGroupCommit(
  pool: pg.Pool,
  { bounds = usualBounds, tracer = untraced, now = () => performance.now(), shards }: GroupCommitOptions = {},
): StoreReadings {
  const presence = createPresence(bounds);
  const lanes = createLanes(pool, { bounds, tracer, now, shards: shards ?? createShards(askOn(pool)) });
  return (organizationId, readings) =>
    presence.hold(organizationId, readings.length, () => {
      const batch = { organizationId, readings, traceparent: tracer.current() };
      const lane = lanes.known(organizationId);
      return lane === undefined ? lanes.find(organizationId).then((found) => found(batch)) : lane(batch);
    });
}

/** Asks on a connection of the pool. Throws `NotConnected`. */
function askOn(pool: pg.Pool): Ask {
  return async <Row extends object>(text: string, values: readonly unknown[]) => {
    const client = await connect(pool);
    let isBroken = true;
    try {
      const { rows } = await client.query<Row>(text, [...values]);
      isBroken = false;
      return rows;
    } finally {
      client.release(isBroken);
    }
  };
}

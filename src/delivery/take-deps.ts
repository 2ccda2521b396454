import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import type { Shards } from "../database/shards.ts";
import type { Log } from "../log.ts";
import type { Rests } from "./rests.ts";
import type { DeliveryWatch } from "./watch.ts";

export type TakeDeps = {
  db: Db;
  boss: PgBoss;
  log: Log;
  /** Of a cluster: what fails on one shard holds up no other. */
  shards?: Shards | undefined;
  watch?: DeliveryWatch | undefined;
  /** Queues that were empty a moment ago. */
  emptyQueues?: Rests;
  /** The ids of the events that this worker has under way for the last time: of those, one begins when no other is under way. */
  lastAttempts?: Set<string>;
};

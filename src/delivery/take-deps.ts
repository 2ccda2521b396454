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
};

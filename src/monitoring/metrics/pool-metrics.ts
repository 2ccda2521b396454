import type pg from "pg";
import { Gauge, type Registry } from "prom-client";

export type PoolCounts = Pick<pg.Pool, "totalCount" | "idleCount" | "waitingCount" | "options">;

/** Shows the process's pool of database connections; pg-boss's own pool is not in it. */
export function showPool(registry: Registry, pool: PoolCounts): void {
  const registers = [registry];
  const connections: Gauge<"state"> = new Gauge({
    name: "meter_outbox_database_connections",
    help: "Open database connections of this process, by state: idle or busy",
    labelNames: ["state"],
    registers,
    collect: () => {
      connections.set({ state: "idle" }, pool.idleCount);
      connections.set({ state: "busy" }, pool.totalCount - pool.idleCount);
    },
  });
  const waiting: Gauge = new Gauge({
    name: "meter_outbox_database_connections_waited_for",
    help: "Who waits for a free database connection",
    registers,
    collect: () => waiting.set(pool.waitingCount),
  });
  const connectionsMax = new Gauge({
    name: "meter_outbox_database_connections_max",
    help: "Database connections that this process opens at most",
    registers,
  });
  connectionsMax.set(pool.options.max);
}

import type pg from "pg";
import { Gauge, type Registry } from "prom-client";

type PoolCounts = Pick<pg.Pool, "totalCount" | "idleCount" | "waitingCount"> & {
  options: { max: number };
};

/** The process's pools by their names; `main` is what most of its work uses. */
export type Pools = Readonly<{ main: PoolCounts }> & Readonly<Record<string, PoolCounts>>;

/** Shows the process's pools of database connections; those of pg-boss and of the delivery loop are not in it. */
export function showPools(registry: Registry, pools: Pools): void {
  const registers = [registry];
  const connections: Gauge<"pool" | "state"> = new Gauge({
    name: "meter_outbox_database_connections",
    help: "Open database connections of this process, by pool and state: idle or busy",
    labelNames: ["pool", "state"],
    registers,
    collect: () => {
      for (const [pool, { idleCount, totalCount }] of Object.entries(pools)) {
        connections.set({ pool, state: "idle" }, idleCount);
        connections.set({ pool, state: "busy" }, totalCount - idleCount);
      }
    },
  });
  const waiting: Gauge<"pool"> = new Gauge({
    name: "meter_outbox_database_connections_waited_for",
    help: "Who waits for a free database connection, by pool",
    labelNames: ["pool"],
    registers,
    collect: () => {
      for (const [pool, { waitingCount }] of Object.entries(pools)) waiting.set({ pool }, waitingCount);
    },
  });
  const connectionsMax = new Gauge({
    name: "meter_outbox_database_connections_max",
    help: "Database connections that this process opens at most, by pool",
    labelNames: ["pool"],
    registers,
  });
  for (const [pool, { options }] of Object.entries(pools)) connectionsMax.set({ pool }, options.max);
}

import { silentLog } from "../../log.ts";
import { migrate } from "../../migrate/migrate.ts";
import { createDatabase, nameTestServer, urlOfDatabase } from "../../testing/net/test-server.ts";
import { startMachineCluster } from "../../testing/postgres/machine-cluster.ts";
import { servedTest, type ServedOptions } from "../../testing/postgres/outage-site.ts";
import type { PostgresBinaries } from "../../testing/postgres/postgres-binaries.ts";
import { createServiceRoles } from "../../testing/postgres/service-roles.ts";

type ClusterOptions = ServedOptions & { binaries: PostgresBinaries };

/**
 * Vitest's `test` with an `open` for a cluster of its own, a coordinator and two workers, and the service on it. A third
 * node runs beside them with the same database, empty, to be added.
 */
export const clusterTest = servedTest.extend("open", async ({ undo, serve }) => {
  return async ({ binaries, ...options }: ClusterOptions) => {
    const { coordinator, workers, stop } = await startMachineCluster(binaries, {
      settings: "fast",
      workers: 3,
    });
    undo(stop);
    const [first, second, spare] = workers;
    if (first === undefined || second === undefined || spare === undefined)
      throw new Error("a node is missing");
    const server = nameTestServer(coordinator.url, { coordinator, workers: [first, second] });
    const name = `${server.prefix}nodes`;
    await createDatabase(server, name);
    await createDatabase({ ...server, cluster: { coordinator: spare, workers: [] }, url: spare.url }, name);
    const url = urlOfDatabase(coordinator.url, name);
    await migrate({ databaseUrl: url, backend: "citus", log: silentLog });
    const { roles } = server;
    if (roles === undefined || !(await createServiceRoles(url, roles))) {
      throw new Error("the cluster's owner may not create roles");
    }
    return { first, spare, ...(await serve({ url, roles }, options)) };
  };
});

import { silentLog } from "../../log.ts";
import { migrate } from "../../migrate/migrate.ts";
import { createDatabase, nameTestServer, urlOfDatabase } from "../../testing/net/test-server.ts";
import { startMachineCluster } from "../../testing/postgres/machine-cluster.ts";
import { servedTest } from "../../testing/postgres/outage-site.ts";
import type { PostgresBinaries } from "../../testing/postgres/postgres-binaries.ts";

/**
 * Vitest's `test` with a `startNodes` for a cluster of its own: a coordinator and two workers, with a migrated database. A
 * third node, `spare`, runs beside them with the same database, empty, to be added. All of it ends with the test.
 */
export const ownNodesTest = servedTest.extend("startNodes", async ({ undo }) => {
  return async (binaries: PostgresBinaries) => {
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
    return { url, roles: server.roles, first, spare };
  };
});

import type { ServedOptions } from "../../testing/postgres/outage-site.ts";
import type { PostgresBinaries } from "../../testing/postgres/postgres-binaries.ts";
import { createServiceRoles } from "../../testing/postgres/service-roles.ts";
import { ownNodesTest } from "./own-nodes.ts";

type ClusterOptions = ServedOptions & { binaries: PostgresBinaries };

/** Vitest's `test` with an `open` for a cluster of its own and the service on it. */
export const clusterTest = ownNodesTest.extend("open", async ({ startNodes, serve }) => {
  return async ({ binaries, ...options }: ClusterOptions) => {
    const { url, roles, first, spare } = await startNodes(binaries);
    if (roles === undefined || !(await createServiceRoles(url, roles))) {
      throw new Error("the cluster's owner may not create roles");
    }
    return { first, spare, ...(await serve({ url, roles }, options)) };
  };
});

import { createDatabase, nameTestServer, urlOfDatabase } from "../../src/testing/net/test-server.ts";
import { startEmbeddedPostgres } from "../../src/testing/postgres/embedded-postgres.ts";
import { findCitusOfMachine, startMachineCluster } from "../../src/testing/postgres/machine-cluster.ts";
import { nameServiceRoles, type ServiceRoles } from "../../src/testing/postgres/service-roles.ts";

type StackDatabase = {
  url: string;
  backend: "postgres" | "citus";
  roles: ServiceRoles;
  stop: () => Promise<void>;
};

const rolePrefix = "meter_outbox_";

/**
 * Starts the stack's database: one Postgres, or with `citus` a coordinator and two workers of the machine's own Postgres.
 * Throws where that lacks the extension.
 */
export async function startStackDatabase(backend: string | undefined): Promise<StackDatabase> {
  if (backend === "citus") return startCluster();
  const { url, stop } = await startEmbeddedPostgres({ settings: "durable" });
  return { url, backend: "postgres", roles: nameServiceRoles(rolePrefix), stop };
}

async function startCluster(): Promise<StackDatabase> {
  const binaries = await findCitusOfMachine();
  if (binaries === undefined) throw new Error("the machine's own Postgres does not have the extension Citus");
  const { coordinator, workers, stop } = await startMachineCluster(binaries, {
    settings: "durable",
    workers: 2,
  });
  try {
    const name = "meter_outbox";
    await createDatabase(nameTestServer(coordinator.url, { coordinator, workers }), name);
    const url = urlOfDatabase(coordinator.url, name);
    const roles = nameServiceRoles(rolePrefix, decodeURIComponent(new URL(url).password));
    return { url, backend: "citus", roles, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

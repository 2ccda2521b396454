import { Client } from "pg";
import type { CitusCluster, ClusterNode } from "./citus-cluster.ts";
import { isDockerEngineAnswering } from "./docker-engine.ts";
import { findCitusOfMachine, startMachineCluster } from "./machine-cluster.ts";

type Environment = Record<string, string | undefined>;

type ClusterSource = CitusCluster & { source: "url" | "container" | "machine" };

type Ways = {
  isEngineAnswering: () => Promise<boolean>;
  startContainers: (image: string) => Promise<CitusCluster>;
  /** Undefined where the machine's own Postgres does not have the extension. */
  startOnMachine: () => Promise<CitusCluster | undefined>;
  readCluster: (url: string) => Promise<CitusCluster>;
};

/** The official image of Citus. `compose.citus.yaml` names it, too. */
export const citusImage = "citusdata/citus:13.2.0";

/**
 * The cluster of `TEST_DATABASE_BACKEND=citus`: that of `TEST_DATABASE_URL`, a coordinator; else of containers where an
 * engine can run the image; else of the machine's own Postgres where the extension is installed. `TEST_POSTGRES=container`
 * or `embedded` forces one of the last two. Throws where none can be had, and says why.
 */
export async function startClusterSource(
  env: Environment,
  write: (line: string) => void,
  ways: Ways = realWays(env),
): Promise<ClusterSource> {
  const forced = env["TEST_POSTGRES"] ?? "";
  const url = env["TEST_DATABASE_URL"] ?? "";
  const image = env["TEST_POSTGRES_IMAGE"] || citusImage;
  if (!["", "container", "embedded"].includes(forced)) {
    throw new Error(`TEST_POSTGRES must be container or embedded, not ${forced}`);
  }
  if (forced === "" && url !== "") {
    write("citus: the cluster of TEST_DATABASE_URL");
    return { source: "url", ...(await ways.readCluster(url)) };
  }
  if (forced === "container" || (forced === "" && (await ways.isEngineAnswering()))) {
    try {
      const cluster = await ways.startContainers(image);
      write(`citus: three containers of ${image}`);
      return { source: "container", ...cluster };
    } catch (error) {
      if (forced === "container") throw error;
      write(`citus: no containers of ${image} (${firstLine(error)}), so the machine's own Postgres`);
    }
  }
  const cluster = await ways.startOnMachine();
  if (cluster === undefined) {
    throw new Error(
      "no cluster can be had here: no engine runs the image, and the machine's own Postgres does not have the extension",
    );
  }
  write("citus: three nodes of the machine's own Postgres");
  return { source: "machine", ...cluster };
}

function realWays(env: Environment): Ways {
  return {
    isEngineAnswering: () => isDockerEngineAnswering(env),
    startContainers: async (image) => {
      // Loaded only when needed: it takes longer to load than Postgres takes to start.
      const { startContainerCluster } = await import("./container-cluster.ts");
      return await startContainerCluster(image);
    },
    startOnMachine: async () => {
      const binaries = await findCitusOfMachine();
      return binaries && (await startMachineCluster(binaries, { settings: "fast", workers: 2 }));
    },
    readCluster,
  };
}

/** The nodes that a running coordinator knows. The tests reach each with the coordinator's user and password. */
async function readCluster(url: string): Promise<CitusCluster> {
  const client = new Client({ connectionString: url, application_name: "meter-outbox tests" });
  await client.connect();
  try {
    const { rows } = await client.query<{ host: string; port: number; isCoordinator: boolean }>(`
      select nodename as host, nodeport as port, groupid = 0 as "isCoordinator"
      from pg_dist_node where noderole = 'primary' order by groupid
    `);
    const { hostname, port } = new URL(url);
    const own: ClusterNode = { url, host: hostname, port: Number(port || 5_432) };
    const known = rows.find(({ isCoordinator }) => isCoordinator);
    return {
      coordinator: known === undefined ? own : { url, host: known.host, port: known.port },
      workers: rows
        .filter(({ isCoordinator }) => !isCoordinator)
        .map(({ host, port: workerPort }) => ({
          url: urlOfNode(url, host, workerPort),
          host,
          port: workerPort,
        })),
      stop: async () => {},
    };
  } finally {
    await client.end();
  }
}

function urlOfNode(coordinatorUrl: string, host: string, port: number): string {
  const url = new URL(coordinatorUrl);
  url.hostname = host;
  url.port = String(port);
  return url.href;
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n")[0] ?? "";
}

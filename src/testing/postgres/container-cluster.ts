import { randomBytes } from "node:crypto";
import { GenericContainer, Network, type StartedTestContainer, Wait } from "testcontainers";
import { type CitusCluster, type ClusterNode, nodeSettings } from "./citus-cluster.ts";
import { untilPostgresAnswers } from "./container-postgres.ts";

const postgresPort = 5_432;
const aDayMs = 86_400_000;
const memoryFolder = "/postgres-in-memory";
const names = ["coordinator", "worker-1", "worker-2"] as const;

/** Starts a coordinator and two workers from an image with Citus. Throws when there is no engine or no such image. */
export async function startContainerCluster(image: string): Promise<CitusCluster> {
  const password = randomBytes(16).toString("hex");
  const network = await new Network().start();
  const containers: StartedTestContainer[] = [];
  const stop = async () => {
    await Promise.all(containers.map((container) => container.stop()));
    await network.stop();
  };
  try {
    const nodes: ClusterNode[] = [];
    for (const name of names) {
      const container = await new GenericContainer(image)
        .withNetwork(network)
        .withNetworkAliases(name)
        .withExposedPorts(postgresPort)
        // Nodes are clients of each other, with the password of all.
        .withEnvironment({
          POSTGRES_PASSWORD: password,
          PGPASSWORD: password,
          PGDATA: `${memoryFolder}/data`,
        })
        .withTmpFs({ [memoryFolder]: "rw" })
        // In place of the image's own, whose commands would end all sessions when they are killed (container-postgres.ts).
        .withHealthCheck({ test: ["CMD", "true"], interval: aDayMs })
        .withCommand(["postgres", ...nodeSettings.flatMap((setting) => ["-c", setting])])
        .withWaitStrategy(Wait.forLogMessage("ready to accept connections"))
        .start();
      containers.push(container);
      const address = `${container.getHost()}:${container.getMappedPort(postgresPort)}`;
      nodes.push({
        url: `postgres://postgres:${password}@${address}/postgres`,
        host: name,
        port: postgresPort,
      });
    }
    await Promise.all(nodes.map(({ url }) => untilPostgresAnswers(url)));
    const [coordinator, ...workers] = nodes;
    if (coordinator === undefined) throw new Error("a cluster without a node");
    return { coordinator, workers, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

import { setTimeout as sleep } from "node:timers/promises";
import { PostgreSqlContainer } from "@testcontainers/postgresql";
import { Client } from "pg";
import { Wait } from "testcontainers";

export type ContainerPostgres = { url: string; stop: () => Promise<void> };

const memoryFolder = "/postgres-in-memory";
const answerTimeoutMs = 60_000;
/** Without the compiler, as the embedded Postgres: a test's own statements would wait for it, and the service's go without. */
const settings = ["max_connections=300", "max_wal_size=256MB", "jit=off"];

/**
 * Starts Postgres in a container, with settings for tests. Throws when there is no Docker engine, the image cannot
 * be had or Postgres does not answer.
 */
export async function startContainerPostgres(options: { image: string }): Promise<ContainerPostgres> {
  const container = await new PostgreSqlContainer(options.image)
    .withUsername("postgres")
    .withDatabase("postgres")
    .withPassword("postgres")
    .withTmpFs({ [memoryFolder]: "rw" })
    .withEnvironment({ PGDATA: `${memoryFolder}/data` })
    .withCommand(["postgres", ...settings.flatMap((setting) => ["-c", setting])])
    // Fails at once when the container ends. The first such line may come from the set-up, so a session follows.
    .withWaitStrategy(Wait.forLogMessage("ready to accept connections"))
    .start();
  const url = container.getConnectionUri();
  try {
    await untilPostgresAnswers(url);
  } catch (error) {
    await container.stop();
    throw error;
  }
  return {
    url,
    stop: async () => {
      await container.stop();
    },
  };
}

/** Waits until a session can be had. Throws when that takes more than a minute. */
export async function untilPostgresAnswers(url: string): Promise<void> {
  const deadline = Date.now() + answerTimeoutMs;
  for (;;) {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    client.on("error", () => {});
    try {
      await client.connect();
      return;
    } catch (error) {
      if (Date.now() > deadline)
        throw new Error("Postgres in its container does not answer", { cause: error });
      await sleep(50);
    } finally {
      await client.end();
    }
  }
}

import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { GenericContainer, Wait } from "testcontainers";
import { watchServerTrouble } from "./server-trouble.ts";

export type ContainerPostgres = {
  url: string;
  /** What its log told of that would explain failures of any test, with how often. */
  trouble: () => string[];
  stop: () => Promise<void>;
};

const postgresPort = 5_432;
const password = "postgres";
const memoryFolder = "/postgres-in-memory";
const answerTimeoutMs = 60_000;
/** Without the compiler, as the embedded Postgres: a test's own statements would wait for it, and the service's go without. */
const settings = ["max_connections=300", "max_wal_size=256MB", "jit=off"];

/**
 * Starts Postgres in a container, with settings for tests. Throws when there is no Docker engine, the image cannot
 * be had or Postgres does not answer.
 */
export async function startContainerPostgres(options: { image: string }): Promise<ContainerPostgres> {
  const trouble = watchServerTrouble();
  // Without a health check, such as the ready-made container of Postgres has: its command is killed when it takes longer
  // than a second, and Postgres, which is the container's first process, takes what that leaves behind for a session of
  // its own that crashed. Then it ends all sessions.
  const container = await new GenericContainer(options.image)
    .withExposedPorts(postgresPort)
    .withTmpFs({ [memoryFolder]: "rw" })
    .withEnvironment({ POSTGRES_PASSWORD: password, PGDATA: `${memoryFolder}/data` })
    .withCommand(["postgres", ...settings.flatMap((setting) => ["-c", setting])])
    // Fails at once when the container ends. The first such line may come from the set-up, so a session follows.
    .withWaitStrategy(Wait.forLogMessage("ready to accept connections"))
    .withLogConsumer((log) => log.on("data", (text: Buffer | string) => trouble.read(String(text))))
    .start();
  const url = `postgres://postgres:${password}@${container.getHost()}:${container.getMappedPort(postgresPort)}/postgres`;
  try {
    await untilPostgresAnswers(url);
  } catch (error) {
    await container.stop();
    throw error;
  }
  return {
    url,
    trouble: trouble.list,
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

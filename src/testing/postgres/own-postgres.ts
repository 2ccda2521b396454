import { GenericContainer, getContainerRuntimeClient, Wait } from "testcontainers";
import { untilPostgresAnswers } from "./container-postgres.ts";
import { findFreePort } from "../net/free-port.ts";
import { until } from "../processes/until.ts";

/** A Postgres in a container of its own, which a test may stop, kill and freeze. Its data and its address stay. */
export type OwnPostgres = {
  url: string;
  /** Ends every session, writes its checkpoint and ends. */
  stop: () => Promise<void>;
  /** Ends like a machine that lost its power, except for the data that the operating system still held. */
  kill: () => Promise<void>;
  /** Resolves when it answers. */
  start: () => Promise<void>;
  restart: () => Promise<void>;
  /** Keeps its port and connections open and does nothing at all any more. */
  freeze: () => Promise<void>;
  thaw: () => Promise<void>;
  remove: () => Promise<void>;
};

const postgresPort = 5_432;
const stopWithinSeconds = 20;

/** Starts it, durable as in production. Its owner removes it. Throws when there is no engine or no such image. */
export async function startOwnPostgres(image: string): Promise<OwnPostgres> {
  // A fixed port: an engine gives a container another one at each start.
  const port = await findFreePort();
  const started = await new GenericContainer(image)
    .withEnvironment({ POSTGRES_USER: "postgres", POSTGRES_PASSWORD: "postgres", POSTGRES_DB: "postgres" })
    .withExposedPorts({ container: postgresPort, host: port })
    .withWaitStrategy(Wait.forLogMessage("ready to accept connections"))
    .start();
  const { container: engine } = await getContainerRuntimeClient();
  const container = engine.getById(started.getId());
  const url = `postgres://postgres:postgres@${started.getHost()}:${port}/postgres`;

  async function start(): Promise<void> {
    await container.start();
    await untilPostgresAnswers(url);
  }
  async function stop(): Promise<void> {
    await container.stop({ t: stopWithinSeconds });
  }
  /** On a busy machine the kernel's freezer gives up on processes that are just being made; the next try gets them. */
  async function isFrozen(): Promise<boolean> {
    try {
      await container.pause();
      return true;
    } catch (error) {
      if (String(error).includes("unable to freeze")) return false;
      throw error;
    }
  }
  await untilPostgresAnswers(url);
  return {
    url,
    stop,
    kill: async () => {
      await container.kill({ signal: "SIGKILL" });
      await container.wait({ condition: "not-running" });
    },
    start,
    restart: async () => {
      await container.restart({ t: stopWithinSeconds });
      await untilPostgresAnswers(url);
    },
    freeze: async () => {
      await until(isFrozen, { what: "the container to be frozen" });
    },
    thaw: async () => {
      await container.unpause();
    },
    remove: async () => {
      await container.remove({ force: true, v: true });
    },
  };
}

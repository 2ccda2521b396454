import { isDockerEngineAnswering } from "./docker-engine.ts";
import { startEmbeddedPostgres } from "./embedded-postgres.ts";

type Environment = Record<string, string | undefined>;

export type PostgresChoice =
  | { source: "url"; url: string }
  | { source: "container"; image: string; isForced: boolean }
  | { source: "embedded" };

export type PostgresSource = {
  source: PostgresChoice["source"];
  /** Of the container, for tests that need a second one; undefined where Postgres comes from elsewhere. */
  image?: string;
  url: string;
  stop: () => Promise<void>;
};

const defaultImage = "postgres:18-alpine";

/**
 * Decides where the tests' Postgres comes from. `TEST_POSTGRES=container` or `embedded` forces one; else it is the
 * server at `TEST_DATABASE_URL`, else a container of `TEST_POSTGRES_IMAGE` if a Docker engine answers, else the
 * embedded one. Throws for another value of `TEST_POSTGRES`.
 */
export async function choosePostgres(
  env: Environment,
  isEngineAnswering: () => Promise<boolean>,
): Promise<PostgresChoice> {
  const forced = env["TEST_POSTGRES"] ?? "";
  const url = env["TEST_DATABASE_URL"] ?? "";
  const image = env["TEST_POSTGRES_IMAGE"] || defaultImage;
  if (forced === "container") return { source: "container", image, isForced: true };
  if (forced === "embedded") return { source: "embedded" };
  if (forced !== "") throw new Error(`TEST_POSTGRES must be container or embedded, not ${forced}`);
  if (url !== "") return { source: "url", url };
  return (await isEngineAnswering())
    ? { source: "container", image, isForced: false }
    : { source: "embedded" };
}

/**
 * Chooses and starts the tests' Postgres, and says which on `write`. An engine that answers but cannot run the
 * image, without a registry for instance, is passed over for the embedded Postgres unless the container is forced.
 */
export async function startPostgresSource(
  env: Environment,
  write: (line: string) => void,
): Promise<PostgresSource> {
  const choice = await choosePostgres(env, () => isDockerEngineAnswering(env));
  if (choice.source === "container" && !choice.isForced) {
    try {
      return await startPostgres(choice, write);
    } catch (error) {
      write(`postgres: no container of ${choice.image} (${firstLine(error)}), so the embedded one`);
      return await startPostgres({ source: "embedded" }, write);
    }
  }
  return await startPostgres(choice, write);
}

async function startPostgres(choice: PostgresChoice, write: (line: string) => void): Promise<PostgresSource> {
  const { source } = choice;
  if (source === "url") {
    write("postgres: the server at TEST_DATABASE_URL");
    return { source, url: choice.url, stop: async () => {} };
  }
  if (source === "container") {
    // Loaded only when needed: it takes longer to load than the embedded Postgres takes to start.
    const { startContainerPostgres } = await import("./container-postgres.ts");
    const { url, trouble, stop } = await startContainerPostgres({ image: choice.image });
    write(`postgres: a container of ${choice.image}`);
    const tellAndStop = () => {
      for (const found of trouble()) write(`postgres: the container's log told ${found}`);
      return stop();
    };
    return { source, image: choice.image, url, stop: tellAndStop };
  }
  const { url, stop } = await startEmbeddedPostgres({ settings: "fast" });
  write("postgres: embedded");
  return { source, url, stop };
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n")[0] ?? "";
}

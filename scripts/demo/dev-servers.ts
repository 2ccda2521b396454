import { fileURLToPath } from "node:url";
import { startEmbeddedPostgres } from "../../src/testing/postgres/embedded-postgres.ts";
import { childEnvironment } from "../process/child-environment.ts";
import { describeDeath, startChild, type Child } from "../../src/testing/processes/child-process.ts";
import { furnishSimulator, webhookUrl } from "./simulator-control.ts";
import { parseLogLine } from "./stack-process.ts";
import type { OrphanGuard } from "../../src/testing/processes/orphan-guard.ts";
import { apiVariables, makeSecret, workerVariables } from "./service-variables.ts";
import type { Stack } from "./stack.ts";
import { findSandbox, simulatorAt, type StripeSide } from "./stripe-side.ts";
import type { Teardown } from "../process/teardown.ts";
import { once } from "node:events";
import { createServer } from "node:net";
import { findFreePort } from "../../src/testing/net/free-port.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const ports = { api: 3_000, worker: 3_001, simulator: 12_111 };
const nameWidth = 9;

export type DevSurroundings = {
  teardown: Teardown;
  guard: OrphanGuard;
  fail: (error: unknown) => void;
  signal: AbortSignal;
};

/**
 * Starts a Postgres that keeps its data, and from `src/`, each started anew when its sources change: the simulator
 * unless there is a sandbox, the API and the worker. Their logs go to the terminal, after their names.
 */
export async function startDevServers(surroundings: DevSurroundings): Promise<Stack> {
  const { url: databaseUrl, stop } = await startEmbeddedPostgres({
    settings: "durable",
    folder: `${root}.embedded-postgres`,
  });
  surroundings.teardown.add(stop);
  surroundings.signal.throwIfAborted();
  await runMigrations(surroundings, databaseUrl);

  const [apiPort, workerPort] = [await preferPort(ports.api), await preferPort(ports.worker)];
  const apiUrl = `http://127.0.0.1:${apiPort}`;
  const [adminToken, webhookSecret] = [makeSecret("dev"), makeSecret("whsec")];
  const signInCode = makeSecret("code");
  const stripe =
    findSandbox(process.env["STRIPE_SECRET_KEY"]) ??
    (await startSimulator(surroundings, { databaseUrl, apiUrl, webhookSecret }));
  const variables = { databaseUrl, adminToken, signInCode, webhookSecret, apiPort, workerPort, stripe };
  startWatched(surroundings, "api", apiVariables(variables));
  startWatched(surroundings, "worker", workerVariables(variables));
  return {
    databaseUrl,
    apiUrl,
    workerUrl: `http://127.0.0.1:${workerPort}`,
    adminToken,
    signInCode,
    stripe,
  };
}

async function runMigrations(surroundings: DevSurroundings, databaseUrl: string): Promise<void> {
  const child = start(surroundings, { name: "migrate", flags: [], env: { DATABASE_URL: databaseUrl } });
  const ending = await child.ended;
  surroundings.signal.throwIfAborted();
  if (ending.exitCode !== 0) throw new Error(describeDeath(child, ending));
}

async function startSimulator(
  surroundings: DevSurroundings,
  { databaseUrl, apiUrl, webhookSecret }: { databaseUrl: string; apiUrl: string; webhookSecret: string },
): Promise<StripeSide> {
  const port = await preferPort(ports.simulator);
  const stripe = simulatorAt(`http://127.0.0.1:${port}`);
  // By its environment, so that it knows where to send its events however often it starts anew.
  const env = {
    PORT: String(port),
    SIMULATOR_WEBHOOK_URL: webhookUrl(apiUrl),
    SIMULATOR_WEBHOOK_SECRET: webhookSecret,
  };
  startWatched(surroundings, "simulator", env, (line) => {
    if (parseLogLine(line)?.event !== "simulator_started") return;
    furnishSimulator(stripe, databaseUrl).catch(surroundings.fail);
  });
  return stripe;
}

function startWatched(
  surroundings: DevSurroundings,
  name: string,
  env: Record<string, string>,
  onLine?: (line: string) => void,
): void {
  const flags = ["--watch", "--watch-preserve-output"];
  const child = start(surroundings, { name, flags, env, ...(onLine !== undefined && { onLine }) });
  child.ended
    .then((ending) => surroundings.fail(new Error(describeDeath(child, ending))))
    .catch(surroundings.fail);
}

type DevProcess = {
  name: string;
  flags: string[];
  env: Record<string, string>;
  onLine?: (line: string) => void;
};

function start({ teardown, guard }: DevSurroundings, { name, flags, env, onLine }: DevProcess): Child {
  const child = startChild({
    name,
    // The console's pages are .tsx, which Node does not run by itself.
    args: [
      ...flags,
      "--import",
      new URL("../build/load-tsx.mjs", import.meta.url).href,
      `${root}src/${name}.ts`,
    ],
    env: childEnvironment(process.env, env),
    guard,
    onLine: (line) => {
      console.log(`${name.padEnd(nameWidth)} | ${line}`);
      onLine?.(line);
    },
  });
  teardown.add(() => child.stop());
  return child;
}

/** The port, or any free one when another process has it. */
async function preferPort(port: number): Promise<number> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return findFreePort();
  }
  server.close();
  await once(server, "close");
  return port;
}

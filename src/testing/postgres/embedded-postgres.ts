import { rm } from "node:fs/promises";
import { type EmbeddedCluster, prepareCluster } from "./embedded-cluster.ts";
import { findFreePort } from "../net/free-port.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import { type HaltMode, type PostgresProcess, startPostgresProcess } from "./postgres-process.ts";
import { type OrphanGuard, startOrphanGuard } from "../processes/orphan-guard.ts";

export type EmbeddedPostgresOptions = {
  /**
   * `fast` keeps its data in memory and suits tests; `durable` flushes every commit to disk; `measured` does so, too, and
   * has `pg_stat_statements` loaded, which a bench switches on for its own database.
   */
  settings: "fast" | "durable" | "measured";
  /** Where the data stay for the next start. Without it they lie in a temporary folder, removed at the stop. */
  folder?: string;
  /** A node of a cluster, from a Postgres that has the extension. */
  node?: { binaries: PostgresBinaries; password: string; settings: readonly string[] };
};

export type EmbeddedPostgres = {
  url: string;
  port: number;
  /** Of the server that was started first. */
  pid: number;
  /** Ends the server and keeps its data. After `immediate`, like after a crash, it recovers when it resumes. */
  halt: (mode?: HaltMode) => Promise<void>;
  /** Starts the halted server again, on the same port. */
  resume: () => Promise<void>;
  /** Halts and resumes. */
  restart: (mode?: HaltMode) => Promise<void>;
  /** Ends the server for good and removes its temporary folder. */
  stop: () => Promise<void>;
};

type ServerSettings = { settings: readonly string[]; environment: Record<string, string> };
type RunningServer = { port: number; server: PostgresProcess; guard: OrphanGuard };

const startAttempts = 5;
const commonSettings = [
  "listen_addresses=127.0.0.1",
  "unix_socket_directories=",
  "max_connections=300",
  "shared_buffers=256MB",
];
const fastSettings = ["max_wal_size=256MB"];
const measuredSettings = ["shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track=none"];
const settingsOf = {
  fast: [...commonSettings, ...fastSettings],
  durable: commonSettings,
  measured: [...commonSettings, ...measuredSettings],
};

/**
 * Starts a real Postgres 18 from node_modules on a free port of 127.0.0.1, also for root. It ends with this process,
 * even with a killed one. Throws with Postgres's own words when it does not start. This process and its later children
 * forget the variables of a terminal that is set up for another server, such as PGSSLMODE.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  for (const name of Object.keys(process.env)) if (/^PG[A-Z]+$/.test(name)) delete process.env[name];
  const { node } = options;
  const cluster = await prepareCluster({
    medium: options.settings === "fast" ? "memory" : "disk",
    folder: options.folder,
    binaries: node?.binaries,
    password: node?.password,
  });
  const settings = {
    settings: [...settingsOf[options.settings], ...(node?.settings ?? [])],
    // Nodes of a cluster are clients of each other.
    environment: node === undefined ? {} : { PGPASSWORD: node.password },
  };
  try {
    return serve(cluster, settings, await startOnFreePort(cluster, settings));
  } catch (error) {
    await rm(cluster.scratchFolder, { recursive: true, force: true });
    throw error;
  }
}

// Another process may take the free port between the look and the start.
async function startOnFreePort(cluster: EmbeddedCluster, settings: ServerSettings): Promise<RunningServer> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await findFreePort();
    try {
      return await startOnPort(cluster, settings, port);
    } catch (error) {
      const isPortTaken = error instanceof Error && error.message.includes("could not bind");
      if (!isPortTaken || attempt === startAttempts) throw error;
    }
  }
}

async function startOnPort(
  cluster: EmbeddedCluster,
  { settings, environment }: ServerSettings,
  port: number,
): Promise<RunningServer> {
  const server = await startPostgresProcess({
    binary: cluster.binaries.postgres,
    args: ["-D", cluster.dataFolder, "-p", String(port), ...settings.flatMap((setting) => ["-c", setting])],
    account: cluster.account,
    workingFolder: cluster.scratchFolder,
    environment,
  });
  const guard = startOrphanGuard({
    signal: cluster.isTemporary ? "QUIT" : "INT",
    foldersToRemove: [cluster.scratchFolder],
  });
  guard.watch(server.pid);
  return { port, server, guard };
}

function serve(cluster: EmbeddedCluster, settings: ServerSettings, first: RunningServer): EmbeddedPostgres {
  const { port } = first;
  let running: RunningServer | undefined = first;

  async function halt(mode: HaltMode = "fast"): Promise<void> {
    const ending = running;
    if (ending === undefined) return;
    running = undefined;
    await ending.server.halt(mode);
    ending.guard.dismiss();
  }
  async function resume(): Promise<void> {
    running ??= await startOnPort(cluster, settings, port);
  }
  return {
    url: `postgres://postgres:${cluster.password}@127.0.0.1:${port}/postgres`,
    port,
    pid: first.server.pid,
    halt,
    resume,
    restart: async (mode) => {
      await halt(mode);
      await resume();
    },
    stop: async () => {
      await halt(cluster.isTemporary ? "immediate" : "fast");
      await rm(cluster.scratchFolder, { recursive: true, force: true });
    },
  };
}

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { type CitusCluster, type ClusterNode, nodeSettings } from "./citus-cluster.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded-postgres.ts";
import { binariesIn, type PostgresBinaries } from "./postgres-binaries.ts";

const run = promisify(execFile);

type MachineNode = ClusterNode & Pick<EmbeddedPostgres, "pid" | "halt" | "resume">;
/** A cluster whose nodes a test may end and start again. */
type MachineCluster = CitusCluster & { coordinator: MachineNode; workers: MachineNode[] };

/** The machine's own Postgres, if it has the extension Citus and its programs are complete; `pg_config` says where. */
export async function findCitusOfMachine(): Promise<PostgresBinaries | undefined> {
  let folders: string[];
  try {
    folders = (await run("pg_config", ["--sharedir", "--bindir"])).stdout.trim().split("\n");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const [shared = "", programs = ""] = folders;
  const binaries = binariesIn(dirname(programs));
  const isThere = existsSync(join(shared, "extension", "citus.control"));
  return isThere && existsSync(binaries.initdb) && existsSync(binaries.postgres) ? binaries : undefined;
}

/**
 * Starts a coordinator and workers on free ports of 127.0.0.1, as `startEmbeddedPostgres` does. They end with this
 * process. Throws with Postgres's own words when one does not start.
 */
export async function startMachineCluster(
  binaries: PostgresBinaries,
  options: { settings: "fast" | "durable"; workers: number },
): Promise<MachineCluster> {
  const password = randomBytes(16).toString("hex");
  const node = { binaries, password, settings: nodeSettings };
  const attempts = await Promise.allSettled(
    Array.from({ length: 1 + options.workers }, () =>
      startEmbeddedPostgres({ settings: options.settings, node }),
    ),
  );
  const started = attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
  };
  const failed = attempts.find((attempt) => attempt.status === "rejected");
  const [coordinator, ...workers] = started.map((server) => nodeOf(server));
  if (failed !== undefined || coordinator === undefined) {
    await stop();
    throw new Error("a node of the cluster did not start", { cause: failed?.reason });
  }
  return { coordinator, workers, stop };
}

/** Starts one server from the same programs, without the extension. */
export async function startOneOfMachine(
  binaries: PostgresBinaries,
  settings: "fast" | "durable",
): Promise<EmbeddedPostgres> {
  const node = { binaries, password: randomBytes(16).toString("hex"), settings: ["max_connections=500"] };
  return await startEmbeddedPostgres({ settings, node });
}

function nodeOf({ url, port, pid, halt, resume }: EmbeddedPostgres): MachineNode {
  return { url, host: "127.0.0.1", port, pid, halt, resume };
}

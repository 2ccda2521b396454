import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, cpus, platform, release, totalmem } from "node:os";

const packages = [
  "hono",
  "@hono/node-server",
  "pg",
  "kysely",
  "pg-boss",
  "stripe",
  "graphile-worker",
  "bullmq",
] as const;
const bytesPerGiB = 1024 ** 3;

export type Machine = {
  processors: string;
  memory: string;
  system: string;
  versions: Record<string, string>;
  commit: string | null;
};

/** The facts that a figure depends on: hardware, system and versions. `postgres` is the server's own text. */
export function describeMachine(postgres: string): Machine {
  const processors = cpus();
  const versions = Object.fromEntries(packages.map((name) => [name, versionOf(name)]));
  return {
    processors: `${processors.length} × ${processors[0]?.model.trim() ?? "unknown"}`,
    memory: `${Math.round(totalmem() / bytesPerGiB)} GiB`,
    system: `${platform()} ${release()} ${arch()}`,
    versions: { node: process.versions.node, postgres, ...versions },
    commit: readCommit(),
  };
}

function versionOf(name: string): string {
  // Its package.json may not be exported, so it is sought beside the folder that the package is resolved from.
  const roots = createRequire(import.meta.url).resolve.paths(name) ?? [];
  for (const root of roots) {
    const version = readVersion(`${root}/${name}/package.json`);
    if (version !== undefined) return version;
  }
  return "unknown";
}

function readVersion(file: string): string | undefined {
  try {
    return String((JSON.parse(readFileSync(file, "utf8")) as { version: unknown }).version);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Null outside a git work tree. */
function readCommit(): string | null {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return null;
  }
}

import {
  askNodes,
  type KnownNode,
  listMisplaced,
  listNodes,
  listUndelegated,
  type NodeAnswer,
  readClusterVersion,
} from "../../database/cluster.ts";
import type { Db } from "../../database/db.ts";
import { type Finding, ok, problem } from "./finding.ts";

/**
 * Whether a cluster has all that it needs; nothing on plain Postgres, where none is wanted. `isNodeAway`: what needs all nodes
 * cannot be looked at.
 */
export async function checkCluster(
  db: Db,
  backend: "postgres" | "citus",
): Promise<{ findings: Finding[]; isNodeAway: boolean }> {
  const version = await readClusterVersion(db);
  if (version === undefined) return { findings: backend === "citus" ? [noExtension] : [], isNodeAway: false };
  const answers = await askNodes(db);
  const findings = [
    judgeNodes(version, { nodes: await listNodes(db), answers }),
    judgePlacement([...(await listMisplaced(db)), ...(await listUndelegated(db)).map(({ name }) => name)]),
    judgeTriggers(answers),
    judgeSettings(answers),
  ];
  return { findings, isNodeAway: answers.some(({ settings }) => settings === null) };
}

const noExtension = problem(
  "nodes",
  "DATABASE_BACKEND is citus, and this database has no extension citus",
  "point DATABASE_URL to the coordinator, or set DATABASE_BACKEND=postgres",
);

function judgeNodes(
  version: string,
  { nodes, answers }: { nodes: KnownNode[]; answers: NodeAnswer[] },
): Finding {
  const silent = answers.filter(({ settings }) => settings === null).map(({ name }) => name);
  const inactive = nodes.filter(({ isActive }) => !isActive).map(({ name }) => name);
  const lost = [...new Set([...silent, ...inactive])];
  if (lost.length > 0) {
    const remedy =
      "start them again, or fail over to their standbys; of nodes that run the log says why they are not reached, such as a password (scripts/cluster-passwords.sql) or max_connections; other organizations' readings are taken";
    return problem("nodes", `not answering: ${lost.join(", ")}`, remedy);
  }
  if (!nodes.some(({ isCoordinator }) => isCoordinator)) {
    return problem(
      "nodes",
      "the coordinator does not know its own address",
      "run `select citus_set_coordinator_host('…', 5432)` on it",
    );
  }
  const list = nodes.map(({ name, shards }) => `${name} (${shards} shards)`).join(", ");
  return ok("nodes", `Citus ${version}: ${list}`);
}

function judgePlacement(misplaced: string[]): Finding {
  return misplaced.length === 0
    ? ok("shards", "every table and function is where it belongs")
    : problem(
        "shards",
        `not distributed: ${misplaced.join(", ")}`,
        "run `node dist/migrate.js` with DATABASE_BACKEND=citus",
      );
}

function judgeTriggers(answers: NodeAnswer[]): Finding {
  const off = answers.filter(({ settings }) => settings?.hasUnsafeTriggers === false).map(({ name }) => name);
  return off.length === 0
    ? ok("triggers on shards", "citus.enable_unsafe_triggers is on")
    : problem(
        "triggers on shards",
        `citus.enable_unsafe_triggers is off at ${off.join(", ")}`,
        "set it on there, in postgresql.conf: without it the next month's partition cannot be made",
      );
}

function judgeSettings(answers: NodeAnswer[]): Finding {
  const others = answers
    .filter(({ settings }) => settings !== null && settings.others.length > 0)
    .map(({ name, settings }) => `${settings?.others.join(", ")} at ${name}`);
  return others.length === 0
    ? ok("settings of nodes", "times mean the same there, and what is committed is on disk")
    : problem(
        "settings of nodes",
        others.join("; "),
        "run `node dist/migrate.js` with DATABASE_BACKEND=citus, and change what the server or a role is set to there: hours and months may be wrong, or readings lost",
      );
}

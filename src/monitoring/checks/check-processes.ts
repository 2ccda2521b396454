import { type ProcessKind, readMissingRights } from "../../database/needed-rights.ts";
import type { Db } from "../../database/db.ts";
import { describeSeen, readSeenProcesses, type SeenProcesses } from "../seen-processes.ts";
import { type Finding, ok, problem } from "./finding.ts";

const starts: Record<ProcessKind, string> = {
  api: "start `node dist/api.js`: nothing is accepted without one",
  worker: "start `node dist/worker.js`: nothing is sealed or sent without one",
};

/** Whether an API and a worker run, by their heartbeats. */
export async function checkProcesses(db: Db): Promise<Finding[]> {
  return (await readSeenProcesses(db)).map((seen) => {
    const detail = describeSeen(seen);
    return seen.live > 0 ? ok(seen.kind, detail) : problem(seen.kind, detail, starts[seen.kind]);
  });
}

/**
 * Whether the role that looks may do what the API may, because the command line's commands do the same, and whether each
 * running process may do its work with its own role.
 */
export async function checkRights(db: Db, by: string): Promise<Finding> {
  const own = (await readMissingRights(db, { kind: "api" })).map((right) => `${by} lacks ${right}`);
  const others = (
    await Promise.all((await readSeenProcesses(db)).map((seen) => readFaults(db, seen)))
  ).flat();
  const faults = [...own, ...others];
  if (faults.length === 0) return ok("rights", "every process may do what it has to");
  const remedy =
    "run scripts/roles.sql as the owner after every migration, give each process its own role in DATABASE_URL, and disable row level security";
  return problem("rights", faults.join("; "), remedy);
}

async function readFaults(db: Db, { kind, roles }: SeenProcesses): Promise<string[]> {
  const faults: string[] = [];
  for (const role of roles) {
    const missing = await readMissingRights(db, { kind, role });
    if (missing.length > 0) faults.push(`the ${kind} runs as ${role}, which lacks ${missing.join(", ")}`);
  }
  return faults;
}

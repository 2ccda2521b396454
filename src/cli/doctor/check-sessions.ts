import type { Db } from "../../database/db.ts";
import { hasSharedSessions, sharedSessionsRemedy } from "../../database/shared-sessions.ts";
import { type Finding, ok, problem } from "../../monitoring/checks/finding.ts";

const check = "sessions";

/** Whether a pooler gives our connections sessions of the server for single transactions, in which nothing of ours works. */
export async function checkSessions(db: Db): Promise<Finding> {
  if (!(await hasSharedSessions(db))) return ok(check, "each connection has its own");
  return problem(check, "a pooler gives each transaction another one", sharedSessionsRemedy);
}

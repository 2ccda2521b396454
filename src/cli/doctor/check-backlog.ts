import type { Kysely } from "kysely";
import type { DB } from "../../database/schema.ts";
import { readConditions } from "../../monitoring/metrics/conditions.ts";
import { type Finding, ok, problem } from "./finding.ts";

const check = "alerts";

/** Every alert of docs/alerts.yaml that the database can tell of, whether Prometheus runs or not. */
export async function checkBacklog(db: Kysely<DB>): Promise<Finding> {
  const conditions = await readConditions(db);
  if (conditions.length === 0) return ok(check, "none of docs/alerts.yaml holds");
  const detail = conditions.map(({ alert, detail: words }) => `${alert}: ${words}`).join("; ");
  return problem(check, detail, "docs/metrics.md says for each alert what to do");
}

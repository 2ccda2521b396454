import type { Db } from "../../database/db.ts";
import { summaryOf } from "../../monitoring/alerts/alert-post.ts";
import { readConditions } from "../../monitoring/alerts/read-conditions.ts";
import { type Finding, ok, problem } from "../../monitoring/checks/finding.ts";

const check = "alerts";

/** Every alert of docs/alerts.yaml that the database can tell of, whether Prometheus runs or not. */
export async function checkBacklog(db: Db): Promise<Finding> {
  const conditions = await readConditions(db);
  if (conditions.length === 0) return ok(check, "none of docs/alerts.yaml holds");
  const detail = conditions.map((condition) => `${condition.rule.name}: ${summaryOf(condition)}`).join("; ");
  return problem(check, detail, "docs/metrics.md says for each alert what to do");
}

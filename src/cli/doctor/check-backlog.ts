import { sql } from "kysely";
import { isDatabaseUnavailable, isNodeAway } from "../../database/database-unavailable.ts";
import type { Db } from "../../database/db.ts";
import { summaryOf } from "../../monitoring/alerts/alert-post.ts";
import { readConditions } from "../../monitoring/alerts/read-conditions.ts";
import type { Asked } from "../../monitoring/metrics/asked.ts";
import { type Finding, ok, problem, unchecked } from "../../monitoring/checks/finding.ts";

const check = "alerts";
/** One or two refusals may pass. */
const attemptsUsual = 2;

/** Of each read, while a node is known to be away. */
const waitForNodeMsMax = 1_000;

/**
 * Every alert of docs/alerts.yaml that the database can tell of, whether Prometheus runs or not; and whether the receiver at
 * ALERT_WEBHOOK_URL accepts the alerts that are posted to it. With `knowsNodeAway` reads that need all nodes of a cluster wait
 * for a moment only; it sets the session's `statement_timeout`.
 */
export async function checkBacklog(
  db: Db,
  asked: Asked,
  { knowsNodeAway = false }: { knowsNodeAway?: boolean } = {},
): Promise<Finding[]> {
  if (knowsNodeAway) await sql`set statement_timeout = ${sql.lit(waitForNodeMsMax)}`.execute(db);
  const unread: string[] = [];
  const conditions = await readConditions(db, asked, (read, error) => {
    if (!isNodeAway(error) && !(knowsNodeAway && isDatabaseUnavailable(error))) throw error;
    unread.push(read);
  });
  const notRead =
    unread.length === 0
      ? []
      : [unchecked(check, `a node does not answer, so these cannot be read: ${unread.join(", ")}`)];
  const holding = conditions.map((condition) => `${condition.rule.name}: ${summaryOf(condition)}`);
  const refused = await countRefused(db);
  const faults = [
    ...holding,
    ...(refused > 0 ? [`posts that ALERT_WEBHOOK_URL does not take: ${refused}`] : []),
  ];
  if (faults.length === 0) return unread.length > 0 ? notRead : [ok(check, "none of docs/alerts.yaml holds")];
  const remedies = [
    ...(holding.length > 0 ? ["docs/metrics.md says for each alert what to do"] : []),
    ...(refused > 0 ? ["the log event alert_post_failed says why a post was not taken"] : []),
  ];
  return [problem(check, faults.join("; "), remedies.join("; ")), ...notRead];
}

async function countRefused(db: Db): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count
    from metering.alerts
    where (began_at is not null and began_told_at is null or ended_at is not null and ended_told_at is null)
      and attempts > ${attemptsUsual}
  `.execute(db);
  return rows[0]?.count ?? 0;
}

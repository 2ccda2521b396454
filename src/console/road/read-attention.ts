import type { Db } from "../../database/db.ts";
import type { Condition } from "../../monitoring/alerts/find-conditions.ts";
import { readConditions } from "../../monitoring/alerts/read-conditions.ts";
import { examineGround, tableChecks } from "../../monitoring/checks/examine-database.ts";
import { type Finding, findInDatabase } from "../../monitoring/checks/finding.ts";

/** What the alerts and `doctor` would say now, as far as the database tells. */
export type Attention = { conditions: Condition[]; findings: Exclude<Finding, { state: "ok" }>[] };

/** Asks what `doctor` asks the database, with the rights of this process. */
export async function readAttention(
  db: Db,
  { billableStatuses, now }: { billableStatuses: readonly string[]; now: Date },
): Promise<Attention> {
  const { findings: ofGround, isSchemaRight } = await examineGround(db);
  const conditions: Condition[] = [];
  const ofAlerts = async () => {
    conditions.push(...(await readConditions(db, { billableStatuses })));
    return [];
  };
  const findings = [...ofGround, ...(isSchemaRight ? await findInDatabase("alerts", ofAlerts) : [])];
  // A cluster is looked at where there is one.
  const examined = { db, billableStatuses, now, backend: "postgres", by: "this API process" } as const;
  const looks = isSchemaRight ? tableChecks(examined) : [];
  // One after the other: the readings that come in need the connections more.
  for (const look of looks) findings.push(...(await look()));
  return { conditions, findings: findings.filter((finding) => finding.state !== "ok") };
}

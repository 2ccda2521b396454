import type { Db } from "../../database/db.ts";
import type { Sample } from "../metrics/database-gauges.ts";
import type { Asked } from "../metrics/asked.ts";
import { databaseReads } from "../metrics/reads.ts";
import { alertRules } from "./alert-rules.ts";
import { type Condition, findConditions } from "./find-conditions.ts";

/** Every condition that is true now, by the database's gauges. Throws when a read fails. */
export async function readConditions(db: Db, asked: Asked): Promise<Condition[]> {
  const samples: Sample[] = [];
  for (const { read } of databaseReads) samples.push(...(await read(db, asked)));
  return findConditions(alertRules, samples).filter(({ isTrue }) => isTrue === true);
}

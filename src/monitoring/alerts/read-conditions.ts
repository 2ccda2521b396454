import type { Db } from "../../database/db.ts";
import type { Sample } from "../metrics/database-gauges.ts";
import type { Asked } from "../metrics/asked.ts";
import { databaseReads } from "../metrics/reads.ts";
import { alertRules } from "./alert-rules.ts";
import { type Condition, findConditions } from "./find-conditions.ts";

/**
 * Every condition that is true now, by the database's gauges. Throws when a read fails, unless `onFailedRead` takes it: then the
 * conditions of that read are left out.
 */
export async function readConditions(
  db: Db,
  asked: Asked,
  onFailedRead: (read: string, error: unknown) => void = (_, error) => {
    throw error;
  },
): Promise<Condition[]> {
  const samples: Sample[] = [];
  for (const { name, read } of databaseReads) {
    try {
      samples.push(...(await read(db, asked)));
    } catch (error) {
      onFailedRead(name, error);
    }
  }
  return findConditions(alertRules, samples).filter(({ isTrue }) => isTrue === true);
}

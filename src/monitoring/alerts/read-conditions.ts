import { isNodeAway } from "../../database/database-unavailable.ts";
import type { Db } from "../../database/db.ts";
import type { Sample } from "../metrics/database-gauges.ts";
import type { Asked } from "../metrics/asked.ts";
import { databaseReads } from "../metrics/reads.ts";
import { alertRules } from "./alert-rules.ts";
import { type Condition, findConditions } from "./find-conditions.ts";

/**
 * Every condition that is true now, by the database's gauges. Throws when a read fails. With `onNodeAway`, a cluster whose node
 * is away leaves out the reads that need it, and each of them is named.
 */
export async function readConditions(
  db: Db,
  asked: Asked,
  onNodeAway?: (read: string) => void,
): Promise<Condition[]> {
  const samples: Sample[] = [];
  for (const { name, read } of databaseReads) {
    try {
      samples.push(...(await read(db, asked)));
    } catch (error) {
      if (onNodeAway === undefined || !isNodeAway(error)) throw error;
      onNodeAway(name);
    }
  }
  return findConditions(alertRules, samples).filter(({ isTrue }) => isTrue === true);
}

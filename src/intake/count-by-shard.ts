import { messageOf } from "../process/message-of.ts";
import type { ShardInput } from "../database/by-shard.ts";
import type { Db, Trx } from "../database/db.ts";

export type SensorCount = {
  hour: Date;
  /** The organizations whose number this call wrote; without those whose number of this hour was stored already. */
  organizations: number;
  sensors: number;
  /** Hours without a count between the latest count and this one; 0 where only some organizations are counted. */
  missedHours: number;
  /** Why organizations of some shards of a cluster are left out. */
  faults: unknown[];
};

/** What a count says that left out organizations. */
export function faultsMessage({ faults }: SensorCount): string {
  return `the sensors of ${faults.length} shards could not be counted: ${messageOf(faults[0])}`;
}

/** Of the organizations that are counted together; `missedHours` is undefined where none was counted before. */
export type GroupCount = Omit<SensorCount, "missedHours" | "faults"> & { missedHours: number | undefined };

/** Counts shard by shard, each in a transaction of its own; all together where there are no shards. */
export async function onEachGroup(
  db: Db,
  groups: readonly (ShardInput | undefined)[],
  count: (trx: Trx, shard: ShardInput | undefined) => Promise<GroupCount | undefined>,
): Promise<SensorCount | undefined> {
  const counts: GroupCount[] = [];
  const faults: unknown[] = [];
  for (const shard of groups) {
    try {
      const counted = await db.transaction().execute((trx) => count(trx, shard));
      if (counted !== undefined) counts.push(counted);
    } catch (error) {
      faults.push(error);
    }
  }
  const last = counts.at(-1);
  if (last === undefined && faults.length > 0) throw faults[0];
  if (last === undefined) return undefined;
  const missed = counts.flatMap(({ missedHours }) => missedHours ?? []);
  return {
    hour: last.hour,
    organizations: counts.reduce((sum, { organizations }) => sum + organizations, 0),
    sensors: counts.reduce((sum, { sensors }) => sum + sensors, 0),
    // An hour in which any organization was counted is no missed one.
    missedHours: missed.length > 0 ? Math.min(...missed) : 0,
    faults,
  };
}

import { messageOf } from "../process/message-of.ts";
import type { ShardInput } from "../database/by-shard.ts";
import type { Db, Trx } from "../database/db.ts";
import { onEachShardGroup } from "../database/shard-groups.ts";
import type { Shards } from "../database/shards.ts";

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
export async function countByShard(
  db: Db,
  which: { shards: Shards; only?: readonly string[] | undefined },
  count: (trx: Trx, shard: ShardInput) => Promise<GroupCount | undefined>,
): Promise<SensorCount | undefined> {
  const { done, errors } = await onEachShardGroup(db, which, (shard) =>
    db.transaction().execute((trx) => count(trx, shard)),
  );
  const counts = done.filter((counted) => counted !== undefined);
  const last = counts.at(-1);
  if (last === undefined && errors.length > 0) throw errors[0];
  if (last === undefined) return undefined;
  const missed = counts.flatMap(({ missedHours }) => missedHours ?? []);
  return {
    hour: last.hour,
    organizations: counts.reduce((sum, { organizations }) => sum + organizations, 0),
    sensors: counts.reduce((sum, { sensors }) => sum + sensors, 0),
    // An hour in which any organization was counted is no missed one.
    missedHours: missed.length > 0 ? Math.min(...missed) : 0,
    faults: errors,
  };
}

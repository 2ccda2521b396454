import { sql } from "kysely";
import { namesOrganizations } from "../database/by-shard.ts";
import type { Db } from "../database/db.ts";
import { isOfKey, onKeys } from "../database/one-plan.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import { type Attempt, beginAttempts, type BeginOptions, maySend } from "./begin-attempts.ts";
import { unfinishedTogetherMax } from "./limits.ts";
import { withPendingKeys } from "./pending-keys.ts";
import type { TakeDeps } from "./take-deps.ts";

/**
 * Counts the last allowed attempt at one of these events, where the worker has no other last attempt under way: if it
 * kills the worker, all events are rejected that have their last attempt under way there. `waiting` names the other
 * events whose next attempt is the last one.
 */
export async function beginAlone(
  { db, lastAttempts = new Set() }: Pick<TakeDeps, "db" | "lastAttempts">,
  keys: readonly MeterEventKey[],
  options: BeginOptions,
): Promise<{ begun: Attempt[]; waiting: MeterEventKey[] }> {
  const [next, ...others] = await listBeforeLast(db, keys, options);
  if (next === undefined) return { begun: [], waiting: [] };
  if (lastAttempts.size > 0) return { begun: [], waiting: [next, ...others] };
  lastAttempts.add(next.meterEventId);
  let begun: Attempt[] = [];
  try {
    begun = await beginAttempts(db, [next], options);
  } finally {
    if (begun.length === 0) lastAttempts.delete(next.meterEventId);
  }
  return { begun, waiting: others };
}

/** Those of these events that may be sent once more only. */
async function listBeforeLast(
  db: Db,
  keys: readonly MeterEventKey[],
  options: BeginOptions,
): Promise<MeterEventKey[]> {
  const inShard = namesOrganizations({ organizations: keys, isOneShard: options.isOneShard });
  const { rows } = await onKeys(db, (one) =>
    sql<MeterEventKey>`
      ${withPendingKeys(keys)}
      select m.organization_id as "organizationId", m.id as "meterEventId"
      from k
      join metering.meter_events m on ${isOfKey("m", "k")}
      where m.attempts_started - m.attempts_finished = ${unfinishedTogetherMax}
        and ${maySend(options, inShard)} ${inShard("m")}
    `.execute(one),
  );
  return rows;
}

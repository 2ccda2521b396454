import { sql } from "kysely";
import { namesOrganizations, type ShardInput } from "../database/by-shard.ts";
import { isDatabaseUnavailable } from "../database/database-unavailable.ts";
import type { Db } from "../database/db.ts";
import { byIndex } from "../database/one-plan.ts";
import { onEachShardGroup } from "../database/shard-groups.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import type { MeterName } from "../usage/meters.ts";
import { beginDue } from "./begin-due.ts";
import { type Scope, waitsIn } from "./pauses.ts";
import type { TakeDeps } from "./take-deps.ts";
import type { TakenJob, TakeOptions } from "./take-jobs.ts";

/**
 * Counts an attempt at an event of the scope that never failed, to probe with it: one that failed before may be at fault
 * itself, and would tell nothing of Stripe. Its job stays, and ends when it is taken. Returns none where there is none.
 */
export async function takeUnfailed(
  deps: TakeDeps,
  scope: Scope,
  { leaseSeconds, sendableUntil }: Pick<TakeOptions, "leaseSeconds" | "sendableUntil">,
): Promise<TakenJob[]> {
  const found = await findUnfailed(deps.db, scope);
  if (found === undefined) return [];
  const { meter, ...key } = found;
  const { begun } = await beginDue(deps, meter, { due: [{ key }], leaseSeconds, sendableUntil });
  return begun.map(({ attempt }) => ({ attempt }));
}

type Unfailed = MeterEventKey & { meter: MeterName; othersFailed: boolean };

/**
 * Rather of an organization of which no event failed. None is known of nodes of a cluster that are away: where they have all
 * that there are, any event may probe.
 */
async function findUnfailed(db: Db, scope: Scope): Promise<Unfailed | undefined> {
  try {
    const { done } = await onEachShardGroup(db, {}, (shard) => findOnShard(db, scope, shard));
    const found = done.flat();
    return found.find(({ othersFailed }) => !othersFailed) ?? found[0];
  } catch (error) {
    if (isDatabaseUnavailable(error)) return undefined;
    throw error;
  }
}

async function findOnShard(db: Db, scope: Scope, shard: ShardInput): Promise<Unfailed[]> {
  const inShard = namesOrganizations(shard);
  const { rows } = await byIndex(db, (one) =>
    sql<Unfailed>`
      select "organizationId", "meterEventId", meter, "othersFailed"
      from (
        select
          organization_id as "organizationId", id as "meterEventId", meter, first_unknown_at is not null as failed,
          bool_or(first_unknown_at is not null) over (partition by organization_id) as "othersFailed"
        from metering.meter_events m
        where ${waitsIn(scope)} ${inShard("m")}
      ) waiting
      where not failed
      order by "othersFailed", "meterEventId"
      limit 1
    `.execute(one),
  );
  return rows;
}

import { sql } from "kysely";
import { isDatabaseUnavailable } from "../database/database-unavailable.ts";
import type { Db } from "../database/db.ts";
import { byIndex } from "../database/one-plan.ts";
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

/** Rather of an organization of which no event failed. None while a node of a cluster is away: then any event may probe. */
async function findUnfailed(
  db: Db,
  scope: Scope,
): Promise<(MeterEventKey & { meter: MeterName }) | undefined> {
  try {
    const { rows } = await byIndex(db, (one) =>
      sql<MeterEventKey & { meter: MeterName }>`
        select "organizationId", "meterEventId", meter
        from (
          select
            organization_id as "organizationId", id as "meterEventId", meter, first_unknown_at is not null as failed,
            bool_or(first_unknown_at is not null) over (partition by organization_id) as others_failed
          from metering.meter_events
          where ${waitsIn(scope)}
        ) waiting
        where not failed
        order by others_failed, "meterEventId"
        limit 1
      `.execute(one),
    );
    return rows[0];
  } catch (error) {
    if (isDatabaseUnavailable(error)) return undefined;
    throw error;
  }
}

import { sql } from "kysely";
import { namesOrganizations } from "../database/by-shard.ts";
import type { Db } from "../database/db.ts";
import { isOfKey, onKeys } from "../database/one-plan.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import { withPendingKeys } from "./pending-keys.ts";

/** Of the meter event `m`: no request of it is under way, or the lease of the worker that made one is over. */
export const hasNoAttemptUnderWay = ({ leaseSeconds }: { leaseSeconds: number }) => sql<boolean>`(
  m.attempts_started = m.attempts_finished
  or m.last_attempt_at < now() - make_interval(secs => ${leaseSeconds})
)`;

/** Those of these events of which a request is under way. */
export async function listUnderWay(
  db: Db,
  keys: readonly MeterEventKey[],
  { leaseSeconds, isOneShard }: { leaseSeconds: number; isOneShard?: boolean },
): Promise<MeterEventKey[]> {
  const inShard = namesOrganizations({ organizations: keys, isOneShard });
  const { rows } = await onKeys(db, (one) =>
    sql<MeterEventKey>`
      ${withPendingKeys(keys)}
      select m.organization_id as "organizationId", m.id as "meterEventId"
      from k
      join metering.meter_events m on ${isOfKey("m", "k")} and m.state = k.state
      where not ${hasNoAttemptUnderWay({ leaseSeconds })} ${inShard("m")}
    `.execute(one),
  );
  return rows;
}

/** Tells of an event whether another one of its organization is among these. */
export function hasOtherAmong(underWay: readonly MeterEventKey[]): (key: MeterEventKey) => boolean {
  const byOrganization = Map.groupBy(underWay, ({ organizationId }) => organizationId);
  return ({ organizationId, meterEventId }) =>
    (byOrganization.get(organizationId) ?? []).some((other) => other.meterEventId !== meterEventId);
}

import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { onKeys } from "../database/one-plan.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import type { MeterName } from "../usage/meters.ts";

/** Of the meter event `m`: no request of it is under way, or the lease of the worker that made one is over. */
export const hasNoAttemptUnderWay = ({ leaseSeconds }: { leaseSeconds: number }) => sql<boolean>`(
  m.attempts_started = m.attempts_finished
  or m.last_attempt_at < now() - make_interval(secs => ${leaseSeconds})
)`;

/** The events of this meter, of the organizations of these keys, of which a request is under way. */
export async function listUnderWay(
  db: Db,
  meter: MeterName,
  keys: readonly MeterEventKey[],
  { leaseSeconds }: { leaseSeconds: number },
): Promise<MeterEventKey[]> {
  const organizations = [...new Set(keys.map(({ organizationId }) => organizationId))];
  const { rows } = await onKeys(db, (one) =>
    sql<MeterEventKey>`
      select m.organization_id as "organizationId", m.id as "meterEventId"
      from metering.meter_events m
      where m.state = 'pending' and m.meter = ${meter} and m.organization_id = any(${organizations}::uuid[])
        and not ${hasNoAttemptUnderWay({ leaseSeconds })}
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

import { sql } from "kysely";
import type { Db } from "../database/db.ts";

/** A meter event that a worker has to itself, for an attempt that has begun. */
export type Lease = {
  meterEventId: string;
  organizationId: string;
  meter: string;
  attempt: number;
  since: Date;
  /** When another worker may try; null: pg-boss has no job for it any more, and the sweep makes one. */
  until: Date | null;
};

/** Attempts that have begun and not ended, those that began first at first. */
export async function listLeases(db: Db, { limit }: { limit: number }): Promise<Lease[]> {
  const leases = await sql<Lease>`
    select
      m.id as "meterEventId", m.organization_id as "organizationId", m.meter, m.attempts_started as attempt,
      m.last_attempt_at as since, coalesce(job.until, shipment.until) as until
    from (
      select id, organization_id, meter, attempts_started, last_attempt_at, shipment_id
      from metering.meter_events
      where state = 'pending' and attempts_started > attempts_finished
      order by last_attempt_at, id
      limit ${limit}
    ) m
    left join lateral (
      -- In the words of pg-boss's own index.
      select j.started_on + make_interval(secs => j.expire_seconds) as until
      from pgboss.job j
      where j.name = 'deliver-' || m.meter and coalesce(j.singleton_key, '') = m.id::text
        and j.state <= 'active' and j.policy = 'exclusive'
        and j.state = 'active'
      limit 1
    ) job on true
    left join lateral (
      select j.started_on + make_interval(secs => j.expire_seconds) as until
      from pgboss.job j
      where j.name = 'ship-' || m.meter and j.id = m.shipment_id and j.state = 'active'
      limit 1
    ) shipment on true
    order by m.last_attempt_at, m.id
  `.execute(db);
  return leases.rows;
}

import { sql } from "kysely";
import type { Job, PgBoss } from "pg-boss";
import { onKeys } from "../database/one-plan.ts";
import type { Db } from "../database/db.ts";
import type { Log } from "../log.ts";
import { putOffReminder } from "../queue/deliver-job.ts";
import { deliverQueueOf } from "../queue/queues.ts";
import type { MeterName } from "../usage/meters.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";

type JobOfEvent = { job: Pick<Job, "id" | "retryCount">; key: MeterEventKey };
type Release = { jobs: readonly JobOfEvent[]; sendableUntil?: Date | undefined };

/**
 * Gives back jobs whose event may not be sent now. The reminder of a pending event is put off; that of an event ahead
 * of Stripe's clock until Stripe would take it. The other jobs have done their work.
 */
export async function releaseJobs(
  { db, boss, log }: { db: Db; boss: PgBoss; log: Log },
  meter: MeterName,
  { jobs, sendableUntil }: Release,
): Promise<void> {
  const pending = await readPending(db, { jobs, sendableUntil });
  const attemptOf = ({ job: { id, retryCount } }: JobOfEvent) => ({ id, retryCount });
  const putOff = jobs.filter(({ key }) => pending.has(key.meterEventId)).map(attemptOf);
  const done = jobs.filter(({ key }) => !pending.has(key.meterEventId)).map(attemptOf);
  if (putOff.length > 0) await boss.fail(deliverQueueOf(meter), putOff);
  if (done.length > 0) await boss.complete(deliverQueueOf(meter), done);
  const early = [...pending].filter(([, aheadSeconds]) => aheadSeconds > 0);
  if (early.length === 0) return;
  for (const [id, aheadSeconds] of early) await putOffReminder(boss, meter, { id, seconds: aheadSeconds });
  const aheadSecondsMax = Math.max(...early.map(([, aheadSeconds]) => aheadSeconds));
  log.warn({ event: "usage_ahead_of_stripe", meter, count: early.length, wait_seconds: aheadSecondsMax });
}

/** The pending events of these jobs, with the seconds that each has to wait for Stripe's clock. Marks these events. */
async function readPending(db: Db, { jobs, sendableUntil }: Release): Promise<Map<string, number>> {
  const pending = await onKeys(db, (one) =>
    sql<{ id: string; aheadSeconds: number }>`
    with pending as materialized (
      select m.organization_id, m.id, m.state, m.event_at > ${sendableUntil ?? "infinity"}::timestamptz as is_early, m.event_at
      from unnest(
        ${jobs.map(({ key }) => key.organizationId)}::uuid[],
        ${jobs.map(({ key }) => key.meterEventId)}::uuid[]
      ) as k (organization_id, id)
      cross join lateral (
        select e.organization_id, e.id, e.state, e.event_at
        from metering.meter_events e
        where e.organization_id = k.organization_id and e.id = k.id
        limit 1
      ) m
      where m.state = 'pending'
    ), marked as (
      update metering.meter_events m
      set reason = 'too_early'
      from pending p
      where m.organization_id = p.organization_id and m.id = p.id
        and p.is_early and m.state = p.state and m.reason is distinct from 'too_early'
    )
    select
      id,
      case when is_early then ceil(extract(epoch from event_at - ${sendableUntil ?? null}::timestamptz)) else 0 end::int
        as "aheadSeconds"
    from pending
  `.execute(one),
  );
  return new Map(pending.rows.map(({ id, aheadSeconds }) => [id, aheadSeconds]));
}

import { type Kysely, sql } from "kysely";
import type { Job, PgBoss } from "pg-boss";
import type { DB } from "../database/schema.ts";
import { deliverQueueOf } from "../queue/queues.ts";
import type { MeterName } from "../usage/meters.ts";
import type { MeterEventKey } from "./begin-attempts.ts";

/**
 * Gives back jobs whose event may not be sent now. Where the event is still pending the reminder is put off;
 * otherwise it has done its work.
 */
export async function releaseJobs(
  { db, boss }: { db: Kysely<DB>; boss: PgBoss },
  meter: MeterName,
  jobs: readonly { job: Pick<Job, "id" | "retryCount">; key: MeterEventKey }[],
): Promise<void> {
  const pending = await sql<{ id: string }>`
    select m.id
    from metering.meter_events m
    join unnest(
      ${jobs.map(({ key }) => key.organizationId)}::uuid[],
      ${jobs.map(({ key }) => key.meterEventId)}::uuid[]
    ) as k (organization_id, id) on m.organization_id = k.organization_id and m.id = k.id
    where m.state = 'pending'
  `.execute(db);
  const pendingIds = new Set(pending.rows.map((row) => row.id));
  const attemptOf = ({ job }: { job: Pick<Job, "id" | "retryCount"> }) => ({
    id: job.id,
    retryCount: job.retryCount,
  });
  const putOff = jobs.filter(({ key }) => pendingIds.has(key.meterEventId)).map(attemptOf);
  const done = jobs.filter(({ key }) => !pendingIds.has(key.meterEventId)).map(attemptOf);
  if (putOff.length > 0) await boss.fail(deliverQueueOf(meter), putOff);
  if (done.length > 0) await boss.complete(deliverQueueOf(meter), done);
}

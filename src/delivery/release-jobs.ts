import { sql } from "kysely";
import type { Job } from "pg-boss";
import { isOfKey, onKeys } from "../database/one-plan.ts";
import { namesOrganizations, type ShardInput } from "../database/by-shard.ts";
import type { Db } from "../database/db.ts";
import { onEachShard } from "../database/each-shard.ts";
import { putOffReminder } from "../queue/deliver-job.ts";
import { deliverQueueOf } from "../queue/queues.ts";
import type { MeterName } from "../usage/meters.ts";
import type { TakeDeps } from "./take-deps.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";

type JobOfEvent = { job: Pick<Job, "id" | "retryCount">; key: MeterEventKey };
type Release = { jobs: readonly JobOfEvent[]; sendableUntil?: Date | undefined };

/**
 * Gives back jobs whose event may not be sent now. The reminder of a pending event is put off; that of an event ahead
 * of Stripe's clock until Stripe would take it. The other jobs have done their work.
 */
export async function releaseJobs(
  { db, boss, log, shards }: TakeDeps,
  meter: MeterName,
  { jobs, sendableUntil }: Release,
): Promise<void> {
  const pending = await readPending({ db, shards }, { jobs, sendableUntil });
  const attemptOf = ({ job: { id, retryCount } }: JobOfEvent) => ({ id, retryCount });
  const putOff = jobs.filter(({ key }) => pending.has(key.meterEventId)).map(attemptOf);
  const done = jobs.filter(({ key }) => !pending.has(key.meterEventId)).map(attemptOf);
  if (putOff.length > 0) await boss.fail(deliverQueueOf(meter), putOff);
  if (done.length > 0) await boss.deleteJob(deliverQueueOf(meter), done);
  const early = [...pending].filter(([, aheadSeconds]) => aheadSeconds > 0);
  if (early.length === 0) return;
  for (const [id, aheadSeconds] of early) await putOffReminder(boss, meter, { id, seconds: aheadSeconds });
  const aheadSecondsMax = Math.max(...early.map(([, aheadSeconds]) => aheadSeconds));
  log.warn({ event: "usage_ahead_of_stripe", meter, count: early.length, wait_seconds: aheadSecondsMax });
}

/** The pending events of these jobs, with the seconds that each has to wait for Stripe's clock. Marks these events. */
async function readPending(
  { db, shards }: Pick<TakeDeps, "db" | "shards">,
  { jobs, sendableUntil }: Release,
): Promise<Map<string, number>> {
  const pending = await onEachShard(shards, jobs, {
    keyOf: ({ key }) => key,
    work: (group, isOneShard) => {
      const organizations = group.map(({ key }) => key);
      return onKeys(db, (one) => readAndMark(one, { organizations, isOneShard }, sendableUntil));
    },
  });
  // What cannot be read is put off.
  const unread = pending.failed.map(({ key }): [string, number] => [key.meterEventId, 0]);
  return new Map([...unread, ...pending.done.flat()]);
}

async function readAndMark(
  db: Db,
  shard: ShardInput & { organizations: readonly MeterEventKey[] },
  sendableUntil: Date | undefined,
): Promise<[string, number][]> {
  const inShard = namesOrganizations(shard);
  // The state as a value: by the index of all that is pending, each key would read it from end to end.
  const keysOf = (keys: readonly MeterEventKey[]) => sql`
    with k as materialized (
      select organization_id, id, 'pending' as state
      from unnest(
        ${keys.map(({ organizationId }) => organizationId)}::uuid[],
        ${keys.map(({ meterEventId }) => meterEventId)}::uuid[]
      ) as u (organization_id, id)
    )
  `;
  const { rows } = await sql<{ organizationId: string; meterEventId: string; eventAt: Date }>`
    ${keysOf(shard.organizations)}
    select m.organization_id as "organizationId", m.id as "meterEventId", m.event_at as "eventAt"
    from k
    join metering.meter_events m on ${isOfKey("m", "k")} and m.state = k.state
    where true ${inShard("m")}
  `.execute(db);
  const early = rows.filter(({ eventAt }) => sendableUntil !== undefined && eventAt > sendableUntil);
  if (early.length > 0) {
    await sql`
      ${keysOf(early)}
      update metering.meter_events m
      set reason = 'too_early'
      from k
      where ${isOfKey("m", "k")} and m.state = k.state
        and m.reason is distinct from 'too_early' ${inShard("m")}
    `.execute(db);
  }
  return rows.map(({ meterEventId, eventAt }) => [
    meterEventId,
    sendableUntil === undefined
      ? 0
      : Math.max(0, Math.ceil((eventAt.getTime() - sendableUntil.getTime()) / 1_000)),
  ]);
}

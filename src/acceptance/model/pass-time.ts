import { sql } from "kysely";
import type { Db, Trx } from "../../database/db.ts";
import { withoutTriggers } from "../../testing/postgres/without-triggers.ts";
import { movedBack } from "../../testing/rows/moved-back.ts";

/**
 * Lets time pass for deliveries and jobs: Postgres's own clock cannot be set, so every stored moment moves back. The
 * usage keeps its hours. Times in the memory of a running process do not move.
 */
export async function passSeconds(db: Db, seconds: number): Promise<void> {
  await pass(db, seconds, async () => {});
}

/** Lets whole hours pass for everything that is stored, usage included. */
export async function passHours(db: Db, hours: number): Promise<void> {
  await pass(db, hours * 3_600, ageUsage);
}

async function pass(db: Db, seconds: number, more: (trx: Trx, by: Interval) => Promise<void>): Promise<void> {
  const by = sql<string>`make_interval(secs => ${seconds})`;
  await withoutTriggers(db, async (trx) => {
    await ageDeliveries(trx, by);
    await ageJobs(trx, by);
    await more(trx, by);
  });
}

type Interval = ReturnType<typeof sql<string>>;

async function ageDeliveries(trx: Trx, by: Interval): Promise<void> {
  await sql`
    update metering.meter_events
    set
      sealed_at = ${movedBack("sealed_at", by)},
      first_attempt_at = ${movedBack("first_attempt_at", by)},
      last_attempt_at = ${movedBack("last_attempt_at", by)},
      first_unknown_at = ${movedBack("first_unknown_at", by)},
      delivered_at = ${movedBack("delivered_at", by)},
      resolved_at = ${movedBack("resolved_at", by)},
      reconcile_since = ${movedBack("reconcile_since", by)}
  `.execute(trx);
  await sql`update metering.reconciliations set read_at = ${movedBack("read_at", by)}`.execute(trx);
  await sql`
    update metering.delivery_control
    set paused_until = paused_until - ${by}, paused_at = paused_at - ${by}
    where paused_until is not null
  `.execute(trx);
}

async function ageJobs(trx: Trx, by: Interval): Promise<void> {
  await sql`
    update pgboss.job
    set
      created_on = created_on - ${by},
      start_after = start_after - ${by},
      started_on = started_on - ${by},
      completed_on = completed_on - ${by},
      keep_until = keep_until - ${by}
  `.execute(trx);
  await sql`
    update pgboss.queue
    set
      monitor_claim_on = monitor_claim_on - ${by},
      monitor_on = monitor_on - ${by},
      maintain_on = maintain_on - ${by}
  `.execute(trx);
}

async function ageUsage(trx: Trx, by: Interval): Promise<void> {
  await sql`
    update metering.meter_outbox set occurred_at = ${movedBack("occurred_at", by)}, id = ${agedId("id", by)}
  `.execute(trx);
  await sql`update metering.readings set entry_id = ${agedId("entry_id", by)}`.execute(trx);
  await sql`
    update metering.meter_events set hour = ${movedBack("hour", by)}, event_at = ${movedBack("event_at", by)}
  `.execute(trx);
  await sql`
    update metering.reconciliations set window_start = ${movedBack("window_start", by)}, window_end = ${movedBack("window_end", by)}
  `.execute(trx);
}

/** An entry's id holds its time: the 48 bits are written anew, the others stay. */
function agedId(column: string, by: Interval) {
  const id = sql.ref(column);
  return sql`
    encode(
      overlay(
        uuid_send(${id})
        placing substring(int8send((extract(epoch from metering.uuid_v7_time(${id}) at time zone 'UTC' - ${by}) * 1000)::bigint) from 3)
        from 1 for 6
      ),
      'hex'
    )::uuid
  `;
}

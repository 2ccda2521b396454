import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import { addMonths, monthsBetween, startOfMonth } from "../../database/months.ts";
import { partitionedTables } from "../../database/partitions.ts";
import type { Db } from "../../database/db.ts";
import { sealDueEntries } from "../../outbox/seal.ts";
import { meterNames } from "../../usage/meters.ts";
import { withoutTriggers } from "../postgres/without-triggers.ts";
import { organizationOf } from "./organizations.ts";

/** Read once, so that a month that ends during a test moves nothing in it. */
export const present = new Date();

/** Some noon of the month so many months before the present one. */
export function monthsAgo(months: number): Date {
  return new Date(addMonths(present, -months).getTime() + 15.5 * 86_400_000);
}

/** Makes the partitions that were there so many months ago, and all since. */
export async function openOldMonths(db: Db, months: number): Promise<void> {
  const old = monthsBetween(addMonths(present, -months), present);
  for (const table of partitionedTables) {
    for (const month of old) await sql`select metering.create_partition(${table}, ${month})`.execute(db);
  }
}

/** One entry, of the moment `at`, with readings of `readAt`. */
export type OldUsage = { at: Date; readAt?: Date; readings: number };

/** Writes usage of another time as intake would have written it then, for an organization with a customer. */
export async function takeInOld(
  db: Db,
  usage: readonly OldUsage[],
  organizationId?: string,
): Promise<string> {
  const id = organizationId ?? (await organizationOf(db, "cus_1"));
  for (const { at, readAt = at, readings } of usage) {
    await sql`
      with entry as (select ${at}::timestamptz as occurred_at, metering.uuid_v7(${at}::timestamptz) as id),
      readings as (
        insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
        select ${id}, 'sensor-' || n || '-' || entry.id, ${readAt}, 4.5, entry.id from entry, generate_series(1, ${readings}::int) n
      )
      insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
      select ${id}, occurred_at, id, 'temperature_readings', ${readings} from entry
    `.execute(db);
  }
  return id;
}

/** Seals all, and settles the new events as if they had been delivered at once, hours and months ago. */
export async function sealAndDeliverOld({ db, boss }: { db: Db; boss: PgBoss }): Promise<void> {
  await sealDueEntries({ db, boss }, { meters: meterNames });
  await sql`
    with delivered as (
      update metering.meter_events
      set
        state = 'delivered', attempts_started = 1, attempts_finished = 1, first_attempt_at = event_at,
        last_attempt_at = event_at, first_unknown_at = event_at, delivered_at = event_at
      where state = 'pending'
      returning organization_id, id, event_at
    )
    insert into metering.delivery_attempts
      (organization_id, meter_event_id, attempt, started_at, duration_ms, verdict)
    select organization_id, id, 1, event_at, 20, 'delivered' from delivered
  `.execute(db);
  await ageSeals(db);
}

/**
 * Moves the ids of meter events to the time of their usage: this seal was just now, and retention leaves alone rows
 * that were written in the last hour.
 */
async function ageSeals(db: Db): Promise<void> {
  await withoutTriggers(db, async (trx) => {
    await sql`
      create temporary table aged on commit drop as
        select id, metering.uuid_v7(event_at) as aged_id from metering.meter_events
    `.execute(trx);
    await sql`update metering.meter_events m set id = a.aged_id, sealed_at = m.event_at from aged a where a.id = m.id`.execute(
      trx,
    );
    await sql`update metering.meter_outbox e set meter_event_id = a.aged_id from aged a where a.id = e.meter_event_id`.execute(
      trx,
    );
    await sql`update metering.delivery_attempts t set meter_event_id = a.aged_id from aged a where a.id = t.meter_event_id`.execute(
      trx,
    );
  });
}

/** `readings 2025-09`, as months are named in logs. */
export function nameOfMonth(table: string, months: number): string {
  return `${table} ${startOfMonth(monthsAgo(months)).toISOString().slice(0, 7)}`;
}

import { ask } from "../site/site.ts";
import { truncateOutbox } from "./due-events.ts";

/**
 * Leaves outbox, meter events and reminders as a migration makes them: empty, and without the statistics that a round
 * before has left.
 */
export async function freshTables(url: string): Promise<void> {
  await truncateOutbox(url);
  await ask(url, "vacuum pgboss.job_common");
  await ask(
    url,
    `delete from pg_statistic where starelid in (
       select c.oid from pg_class c where c.relnamespace in ('metering'::regnamespace, 'pgboss'::regnamespace)
     )`,
  );
}

/** Writes an unsealed entry of each of the last full hours for every organization: a meter event of each. */
export async function addEntriesOfHours(url: string, hours: number): Promise<void> {
  await ask(
    url,
    `insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
     select o.id, e.at, metering.uuid_v7(e.at), 'temperature_readings', 500
     from generate_series(1, $1::int) n
     cross join lateral (select date_trunc('hour', now()) - n * interval '1 hour' as at) e
     cross join metering.organizations o`,
    [hours],
  );
}

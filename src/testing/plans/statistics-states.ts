import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { addUpUsage } from "../../outbox/sums.ts";
import { settleUsageAtOnce } from "../rows/settle-usage.ts";

/** How much the planner knows of the tables. */
export const statisticsStates = [
  "never analyzed",
  "analyzed empty",
  "analyzed full",
  "100 times larger since",
] as const;
export type StatisticsState = (typeof statisticsStates)[number];

const organizations = 200;

/**
 * Fills the tables with organizations, sensors, entries, pending and delivered events, and leaves statistics of this
 * state.
 */
export async function fillTables(db: Db, state: StatisticsState): Promise<void> {
  await forbidAutovacuum(db);
  if (state === "analyzed empty") await sql`analyze`.execute(db);
  if (state === "100 times larger since") {
    await addUsage(db, { from: 1, to: organizations / 100 });
    await sql`analyze`.execute(db);
    await addUsage(db, { from: organizations / 100 + 1, to: organizations });
    await addFigures(db);
  } else {
    await addUsage(db, { from: 1, to: organizations });
    await addFigures(db);
  }
  // Of 8,000 events; the others come after the sums.
  await settleUsageAtOnce(db, 6_000);
  await addUpUsage(db);
  if (state === "analyzed full") await sql`analyze`.execute(db);
}

async function forbidAutovacuum(db: Db): Promise<void> {
  await sql`
    do $$
    declare leaf regclass;
    begin
      for leaf in
        select c.oid from pg_class c
        where c.relnamespace in ('metering'::regnamespace, 'pgboss'::regnamespace) and c.relkind = 'r'
      loop
        execute format('alter table %s set (autovacuum_enabled = off)', leaf);
      end loop;
    end
    $$
  `.execute(db);
}

async function addUsage(db: Db, range: { from: number; to: number }): Promise<void> {
  await sql`
    insert into metering.organizations (name) select 'org ' || n from generate_series(${range.from}::int, ${range.to}) n
  `.execute(db);
  const fresh = sql`(
    select id from metering.organizations o
    where not exists (select from metering.subscriptions s where s.organization_id = o.id)
  )`;
  await sql`insert into metering.sensors (organization_id, id) select o.id, 'sensor-' || n from ${fresh} o, generate_series(1, 20) n`.execute(
    db,
  );
  await sql`
    insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
    select o.id, 'sensor-' || n % 20, now() - n * interval '5 minutes', 4, gen_random_uuid()
    from ${fresh} o, generate_series(1, 50) n
  `.execute(db);
  await sql`
    insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity, meter_event_id)
    select o.id, e.at, metering.uuid_v7(e.at), m.name, 1, case when n > 8 then gen_random_uuid() end
    from ${fresh} o, generate_series(1, 40) n, metering.meters m,
      lateral (select date_trunc('milliseconds', now()) - n * interval '10 minutes' as at) e
  `.execute(db);
  await sql`
    insert into metering.meter_events
      (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, sealed_at, state, delivered_at)
    select
      o.id, metering.uuid_v7(clock_timestamp()), m.name, h.hour, 5, h.hour, 1, 'cus_' || o.id,
      now() - interval '1 hour', case when n <= 5 then 'pending' else 'delivered' end, case when n > 5 then now() end
    from ${fresh} o, generate_series(1, 20) n, metering.meters m,
      lateral (select date_trunc('hour', now(), 'UTC') - n * interval '1 hour' as hour) h
  `.execute(db);
  await sql`
    insert into metering.delivery_attempts
      (organization_id, meter_event_id, attempt, started_at, duration_ms, verdict, http_status)
    select m.organization_id, m.id, n, now() - n * interval '7 minutes', 100, 'delivered', 200
    from metering.meter_events m, generate_series(1, 3) n
    where m.state = 'delivered' and m.organization_id in ${fresh}
  `.execute(db);
  await sql`
    insert into metering.subscriptions (organization_id, stripe_customer_id, status)
    select id, 'cus_' || id, 'active' from ${fresh} o
  `.execute(db);
  await addBooks(db);
}

/** Two billing periods of each organization that has none. */
async function addBooks(db: Db): Promise<void> {
  await sql`
    insert into metering.billing_periods (organization_id, period_start, period_end, stripe_customer_id, books)
    select
      o.id, now() - n * interval '30 days' + interval '10 days', now() - (n - 1) * interval '30 days' + interval '10 days',
      'cus_' || o.id, case when n = 2 then 'equal' end
    from metering.organizations o, generate_series(1, 2) n
    where not exists (select from metering.billing_periods p where p.organization_id = o.id)
  `.execute(db);
}

async function addFigures(db: Db): Promise<void> {
  const figures = sql`m.name, 1, 1, 1, 1, 0, 0, 0, '{}'::jsonb`;
  const columns = sql`
    meter, entries, quantity, delivered, delivered_quantity, rejected, retried, unanswered, latencies`;
  await sql`
    insert into metering.minute_figures (minute, ${columns})
    select date_trunc('minute', now(), 'UTC') - n * interval '1 minute', ${figures}
    from generate_series(100, 1500) n, metering.meters m
  `.execute(db);
  await sql`
    insert into metering.hour_figures (hour, minutes, ${columns})
    select date_trunc('hour', now(), 'UTC') - n * interval '1 hour', 60, ${figures}
    from generate_series(3, 500) n, metering.meters m
  `.execute(db);
}

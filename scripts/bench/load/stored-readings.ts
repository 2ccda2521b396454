import { addMonths, monthsBetween } from "../../../src/database/months.ts";
import { ask, type Site } from "../site/site.ts";
import { addFleet, type Fleet } from "./fleet.ts";

const organizations = 100;
const sensors = 100;
export const hoursPerMillion = 1_000_000 / (organizations * sensors);
const msOfDay = 86_400_000;

/** Fills a database as operation does: readings, each entry sealed, each meter event delivered. */
export type Stored = { fleet: Fleet; from: Date; until: Date };

/** Readings of every sensor, once each hour; ten of an organization's come in one request, every six minutes. */
export const readingsPerHour = sensors;
const readingsPerEntry = 10;
/** How long before its request a reading was recorded. */
const recordedBeforeMs = 60_000;

/**
 * Fills an empty database with `millions` of readings, hour by hour up to two hours ago, with their entries, meter events
 * and attempts: 100 organizations of 100 sensors, so that a million is four days with 100,000 meter events. The indexes are there all the while,
 * and grow as they do in operation. Tells on stderr how long it took.
 */
export async function fillDatabase(site: Site, url: string, millions: number): Promise<Stored> {
  const startedAtMs = performance.now();
  const fleet = await addFleet(url, { organizations, sensors });
  const [span] = await ask<{ from: Date; until: Date }>(
    url,
    `select until - $1::int * interval '1 hour' as "from", until
     from (select date_trunc('hour', now(), 'UTC') - interval '2 hours' as until) u`,
    [millions * hoursPerMillion],
  );
  if (span === undefined) throw new Error("the database has no clock");
  await addPartitions(url, span.from);
  await addDeliveredEntries(url, span);
  const readings = await addReadings(site, url, span);
  if (readings !== millions * 1_000_000) throw new Error(`only ${readings} readings were stored`);
  await ask(url, "vacuum analyze");
  // As the daily job does: this vacuum may have cancelled one of autovacuum's.
  await ask(url, "select metering.mend_block_ranges()");
  const seconds = Math.round((performance.now() - startedAtMs) / 1_000);
  console.error(`${readings.toLocaleString("en-US")} readings stored in ${seconds} s`);
  return { fleet, ...span };
}

/**
 * Deletes the rows that rounds have left behind, with triggers off. The rows that the database was filled with stay.
 */
export async function forgetRounds(url: string, { until }: Stored): Promise<void> {
  const since = `timestamptz '${until.toISOString()}'`;
  await ask(
    url,
    `do $$ begin
       set local session_replication_role = replica;
       delete from metering.meter_outbox where occurred_at >= ${since};
       delete from metering.meter_events where sealed_at >= ${since};
       delete from metering.delivery_attempts where started_at >= ${since};
       delete from pgboss.job where name like 'deliver-%' or name like 'ship-%';
     end $$`,
  );
  await ask(
    url,
    "vacuum analyze metering.meter_outbox, metering.meter_events, metering.delivery_attempts, pgboss.job",
  );
}

type Span = { from: Date; until: Date };

async function addPartitions(url: string, from: Date): Promise<void> {
  await ask(
    url,
    `select metering.create_partition(t, m)
     from unnest(array['readings', 'meter_outbox', 'delivery_attempts']) t
     cross join generate_series(date_trunc('month', $1::timestamptz, 'UTC'), now(), interval '1 month', 'UTC') m`,
    [from],
  );
}

async function addDeliveredEntries(url: string, { from, until }: Span): Promise<void> {
  await ask(
    url,
    `insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity, meter_event_id)
     select o.id, e.at, metering.uuid_v7(e.at), 'temperature_readings', $3,
       metering.uuid_v7(e.at + interval '10 seconds')
     from generate_series($1::timestamptz, $2::timestamptz - interval '1 hour', interval '1 hour') hour
     cross join generate_series(0, $4::int - 1) n
     cross join lateral (select hour + n * interval '1 hour' / $4::int as at) e
     cross join metering.organizations o`,
    [from, until, readingsPerEntry, readingsPerHour / readingsPerEntry],
  );
  await ask(
    url,
    `insert into metering.meter_events
       (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, state,
        attempts_started, attempts_finished, first_attempt_at, last_attempt_at, sealed_at, delivered_at)
     select e.organization_id, e.meter_event_id, e.meter, date_trunc('hour', e.occurred_at, 'UTC'), e.quantity,
       e.occurred_at, 1, s.stripe_customer_id, 'delivered', 1, 1, d.at, d.at, d.at, d.at
     from metering.meter_outbox e
     join metering.subscriptions s using (organization_id)
     cross join lateral (select metering.uuid_v7_time(e.meter_event_id) as at) d`,
  );
  await ask(
    url,
    `insert into metering.delivery_attempts
       (organization_id, meter_event_id, attempt, started_at, duration_ms, verdict, http_status)
     select organization_id, id, 1, first_attempt_at, 100, 'delivered', 200 from metering.meter_events`,
  );
}

/**
 * Each month on a connection of its own, all of it in the order of time: so readings lie in operation, too, and by that order the
 * index of block ranges finds them. Returns how many were stored.
 */
async function addReadings(site: Site, url: string, { from, until }: Span): Promise<number> {
  const first = new Date(from.getTime() - recordedBeforeMs);
  const end = new Date(until.getTime() - recordedBeforeMs);
  const months = monthsBetween(first, new Date(end.getTime() - 1)).map((month) => ({
    from: month < first ? first : month,
    until: addMonths(month, 1) > end ? end : addMonths(month, 1),
  }));
  const added = await Promise.all(months.map((month) => addReadingsOf(site, url, month)));
  return added.reduce((sum, count) => sum + count, 0);
}

/** Adds the readings that sensors recorded in this time, day by day, and returns how many were stored. */
async function addReadingsOf(site: Site, url: string, { from, until }: Span): Promise<number> {
  let readings = 0;
  for (let dayMs = from.getTime(); dayMs < until.getTime(); dayMs += msOfDay) {
    site.signal.throwIfAborted();
    const day = { from: new Date(dayMs), until: new Date(Math.min(dayMs + msOfDay, until.getTime())) };
    readings += await addReadingsOfDay(url, day);
  }
  return readings;
}

async function addReadingsOfDay(url: string, { from, until }: Span): Promise<number> {
  const [row] = await ask<{ readings: number }>(
    url,
    `with added as (
       insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
       select e.organization_id, s.id, e.occurred_at - $4::int * interval '1 millisecond',
         (random() * 400)::int / 10.0 - 20, e.id
       from metering.meter_outbox e
       join metering.sensors s using (organization_id)
       where e.occurred_at >= $1::timestamptz + $4::int * interval '1 millisecond'
         and e.occurred_at < $2::timestamptz + $4::int * interval '1 millisecond'
         -- Each entry has its own ten sensors.
         and substring(s.id from '[0-9]+$')::int / $3::int = extract(minute from e.occurred_at)::int / 6
       order by e.occurred_at, e.organization_id, s.id collate "C"
       returning 1
     )
     select count(*)::int as readings from added`,
    [from, until, readingsPerEntry, recordedBeforeMs],
  );
  return row?.readings ?? 0;
}

import { type RawBuilder, sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { metersFoldedBy } from "../../usage/meters.ts";
import { type Placed, withWholeTables } from "./whole-tables.ts";

/** The meter whose entries count readings; entries of others are written without any. */
const readingsMeter = "temperature_readings";

/**
 * Differences between the stored rows and the service's invariants: a sentence for each violation, none when all hold.
 * Reads the rows alone and whole, each rule on a snapshot of its own, so nothing may be written meanwhile.
 */
export async function findViolations(db: Db): Promise<string[]> {
  return await withWholeTables(db, tables, async (trx) => {
    const violations: string[] = [];
    for (const rule of [...intakeRules, ...sealRules, ...replacementRules, ...deliveryRules]) {
      const found = await rule.execute(trx);
      violations.push(...found.rows.map((row) => row.violation));
    }
    return violations;
  });
}

/** What the rules read of the schema `metering`. They name it without the schema. */
const tables: Placed[] = [
  "readings",
  "meter_outbox",
  "meter_events",
  "delivery_attempts",
  "dropped_usage",
  "usage_sums",
  "reading_counts",
  "dropped_partitions",
  "meter_event_total",
  "usage_progress",
];

type Rule = RawBuilder<{ violation: string }>;

/** Whether retention has dropped the month of a table that a moment lies in. */
function isDropped(table: "meter_outbox", at: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`exists (
    select from dropped_partitions dropped
    where dropped.table_name = ${table} and dropped.month = date_trunc('month', ${at}, 'UTC')
  )`;
}

/** Every reading is counted by one entry that exists, and every entry counts as many readings as it says. */
const intakeRules: Rule[] = [
  sql`
    select format(
      'organization %s has %s readings, but its entries count %s',
      organization_id, coalesce(readings, 0), coalesce(quantity, 0)
    ) as violation
    from (
      select organization_id, sum(readings) as readings
      from (
        select organization_id, count(*) as readings from readings group by 1
        union all
        select organization_id, quantity from dropped_usage where table_name = 'readings'
      ) kept_and_dropped
      group by 1
    ) stored
    full join (
      select organization_id, sum(quantity) as quantity
      from (
        select organization_id, quantity from meter_outbox where meter = ${readingsMeter}
        union all
        select organization_id, quantity from dropped_usage
        where table_name = 'meter_outbox' and meter = ${readingsMeter}
      ) kept_and_dropped
      group by 1
    ) promised using (organization_id)
    where coalesce(readings, 0) <> coalesce(quantity, 0)
  `,
  sql`
    select format(
      'reading %s at %s names entry %s of %s, which organization %s does not have',
      r.sensor_id, r.recorded_at, r.entry_id, metering.uuid_v7_time(r.entry_id), r.organization_id
    ) as violation
    from readings r
    where not exists (
      select from meter_outbox e
      where e.organization_id = r.organization_id and e.id = r.entry_id
        and e.occurred_at = metering.uuid_v7_time(r.entry_id) and e.meter = ${readingsMeter}
    )
    and not ${isDropped("meter_outbox", sql`metering.uuid_v7_time(r.entry_id)`)}
  `,
  sql`
    select format('entry %s counts %s readings, but %s name it', e.id, e.quantity, coalesce(r.readings, 0)) as violation
    from meter_outbox e
    left join (
      select organization_id, entry_id, count(*) as readings from readings group by 1, 2
    ) r on r.organization_id = e.organization_id and r.entry_id = e.id
    where e.meter = ${readingsMeter} and e.quantity <> coalesce(r.readings, 0)
      -- Dropped readings are missing at the entries that counted them, and at no other: those were taken in afterwards,
      -- or at most 5 minutes before a month began. The first rule has their sum.
      and not (
        e.quantity > coalesce(r.readings, 0) and exists (
          select from dropped_partitions d
          where d.table_name = 'readings' and e.occurred_at >= d.month - interval '5 minutes'
        )
      )
  `,
];

/**
 * Every stamped entry is in a meter event of its own kind and hour, and every meter event is the fold of its entries, or
 * of those of the event that it replaces.
 */
const sealRules: Rule[] = [
  sql`
    select format('entry %s is stamped with meter event %s, which does not exist', e.id, e.meter_event_id) as violation
    from meter_outbox e
    where e.meter_event_id is not null and not exists (
      select from meter_events m
      where m.organization_id = e.organization_id and m.id = e.meter_event_id and m.meter = e.meter
    )
  `,
  sql`
    select format('entry %s of %s lies outside the hour %s of its meter event', e.id, e.occurred_at, m.hour) as violation
    from meter_outbox e
    join meter_events m on m.organization_id = e.organization_id and m.id = e.meter_event_id
    where date_trunc('hour', e.occurred_at, 'UTC') <> m.hour
  `,
  sql`
    select format(
      'meter event %s says quantity %s, %s entries and time %s, but its entries fold to %s, %s and %s',
      m.id, m.quantity, m.entries, m.event_at, f.quantity, f.entries, f.event_at
    ) as violation
    from meter_events m
    cross join lateral (
      select
        case
          when m.meter = any(${metersFoldedBy("last")})
            then (array_agg(e.quantity order by e.occurred_at desc, e.id desc))[1]
          else sum(e.quantity)
        end as quantity,
        count(*) as entries,
        max(e.occurred_at) as event_at
      from meter_outbox e
      where e.organization_id = m.organization_id and e.meter_event_id = m.id
    ) f
    where m.replaces_id is null and m.carried_from is null
      and (m.quantity, m.entries, m.event_at) is distinct from (f.quantity, f.entries, f.event_at)
      -- Of dropped entries the next rule has the sums.
      and not (f.entries = 0 and ${isDropped("meter_outbox", sql`m.hour`)})
  `,
  sql`
    select format(
      'organization %s had %s entries of %s in %s when they were dropped, but its meter events folded %s',
      organization_id, coalesce(d.dropped_rows, 0), meter, month, coalesce(m.entries, 0)
    ) as violation
    from (select * from dropped_usage where table_name = 'meter_outbox') d
    full join (
      select organization_id, meter, date_trunc('month', hour, 'UTC') as month, sum(entries) as entries,
        sum(quantity) as quantity
      from meter_events
      where replaces_id is null and carried_from is null and ${isDropped("meter_outbox", sql`hour`)}
      group by 1, 2, 3
    ) m using (organization_id, meter, month)
    where coalesce(d.dropped_rows, 0) <> coalesce(m.entries, 0)
      or not meter = any(${metersFoldedBy("last")}) and d.quantity <> m.quantity
  `,
  sql`
    select format('meter event %s is %s, but its entries were dropped', m.id, m.state) as violation
    from meter_events m
    where m.state in ('pending', 'in_doubt') and ${isDropped("meter_outbox", sql`m.hour`)}
  `,
  sql`
    select format('%s of %s were dropped, but there are rows of that month', table_name, month) as violation
    from dropped_partitions
    where
      table_name = 'readings' and exists (
        select from readings where recorded_at >= month and date_trunc('month', recorded_at, 'UTC') = month
      )
      or table_name = 'meter_outbox' and exists (
        select from meter_outbox where occurred_at >= month and date_trunc('month', occurred_at, 'UTC') = month
      )
  `,
];

/**
 * Usage is sent again only in the place of events that were given up, once, and their entries stay with them. What sends it
 * is what they were but for what Stripe had counted of them already.
 */
const replacementRules: Rule[] = [
  sql`
    select format('entry %s is stamped with meter event %s, which only replaces another', e.id, m.id) as violation
    from meter_outbox e
    join meter_events m on m.organization_id = e.organization_id and m.id = e.meter_event_id
    where m.replaces_id is not null
  `,
  sql`
    select format('meter event %s is not what the %s that it replaces were', m.id, o.events) as violation
    from meter_events m
    cross join lateral (
      select
        count(*) as events, min(o.meter) as meter, min(o.hour) as hour, max(o.event_at) as event_at,
        sum(o.entries) as entries, min(o.stripe_customer_id) as stripe_customer_id,
        sum(o.quantity + o.counted_before) as quantity,
        count(distinct (o.meter, o.hour, o.stripe_customer_id)) as kinds, bool_or(o.id = m.replaces_id) as is_named
      from meter_events o
      where o.organization_id = m.organization_id and o.replaced_by_id = m.id
    ) o
    where m.replaces_id is not null and m.carried_from is null
      and (
        (m.meter, m.hour, m.quantity + m.counted_before, m.event_at, m.entries, m.stripe_customer_id, 1, true)
          is distinct from
          (o.meter, o.hour, o.quantity, o.event_at, o.entries, o.stripe_customer_id, o.kinds, o.is_named)
        or m.counted_before > 0 and m.quantity = 0
      )
  `,
  sql`
    select format('meter event %s is %s, but replaced by %s', o.id, o.state, o.replaced_by_id) as violation
    from meter_events o
    left join meter_events m on m.organization_id = o.organization_id and m.id = o.replaced_by_id
    where o.replaced_by_id is not null and (o.state <> 'superseded' or m.replaces_id is null)
  `,
  sql`
    select format('meter event %s replaces nothing, but says that Stripe had %s already', id, counted_before) as violation
    from meter_events
    where counted_before <> 0 and (replaces_id is null or counted_before < 0)
  `,
];

/** Attempts are counted before they are made, each once, and every delivered event says when. */
const deliveryRules: Rule[] = [
  sql`
    select format(
      'meter event %s finished %s attempts, but started %s', id, attempts_finished, attempts_started
    ) as violation
    from meter_events
    where attempts_finished > attempts_started
  `,
  sql`
    select format('attempt %s at meter event %s is recorded %s times', attempt, meter_event_id, count(*)) as violation
    from delivery_attempts
    group by organization_id, meter_event_id, attempt
    having count(*) > 1
  `,
  sql`
    select format('attempt %s at meter event %s was never started', a.attempt, a.meter_event_id) as violation
    from delivery_attempts a
    where not exists (
      select from meter_events m
      where m.organization_id = a.organization_id and m.id = a.meter_event_id and m.attempts_started >= a.attempt
    )
  `,
  sql`
    select format('meter event %s is delivered, but does not say when', id) as violation
    from meter_events
    where state = 'delivered' and delivered_at is null
  `,
  sql`
    select format('%s meter events were added up to %s, but %s to %s', t.events, t.quantity, m.events, m.quantity) as violation
    from meter_event_total t
    cross join lateral (
      select count(*) as events, coalesce(sum(quantity), 0) as quantity
      from meter_events
      where id <= t.through_id
    ) m
    where (t.events, t.quantity) <> (m.events, m.quantity)
  `,
  sql`
    select format(
      'usage of %s by the %s, %s of %s at %s, is added up to %s, but its events to %s', organization_id, unit, meter,
      stripe_customer_id, starts_at, s.quantity, e.quantity
    ) as violation
    from (
      select
        organization_id, meter, unit, date_trunc(unit, hour, 'UTC') as starts_at, stripe_customer_id,
        count(*) as events, sum(entries) as entries, sum(quantity) as quantity
      from meter_events
      cross join unnest(array['hour', 'day']) unit
      where replaces_id is null and carried_from is null
        and id <= (select events_through_id from usage_progress)
      group by organization_id, meter, unit, date_trunc(unit, hour, 'UTC'), stripe_customer_id
    ) e
    full join usage_sums s using (organization_id, meter, unit, starts_at, stripe_customer_id)
    where (e.events, e.entries, e.quantity) is distinct from (s.events, s.entries, s.quantity)
  `,
  sql`
    select format(
      'usage of %s, %s of %s in the hour of %s, is said to be %s, %s and %s before its quarters, but its entries say %s, %s and %s',
      s.organization_id, s.meter, s.stripe_customer_id, s.starts_at, s.before_15, s.before_30, s.before_45,
      e.before_15, e.before_30, e.before_45
    ) as violation
    from usage_sums s
    cross join lateral (
      select
        coalesce(sum(o.quantity) filter (where o.occurred_at < s.starts_at + interval '15 minutes'), 0) as before_15,
        coalesce(sum(o.quantity) filter (where o.occurred_at < s.starts_at + interval '30 minutes'), 0) as before_30,
        coalesce(sum(o.quantity) filter (where o.occurred_at < s.starts_at + interval '45 minutes'), 0) as before_45
      from meter_events m
      join meter_outbox o on o.organization_id = m.organization_id and o.meter_event_id = m.id
      where m.organization_id = s.organization_id and m.meter = s.meter and m.hour = s.starts_at
        and m.stripe_customer_id = s.stripe_customer_id and m.id <= (select events_through_id from usage_progress)
    ) e
    where s.unit = 'hour' and s.before_15 is not null
      and (s.before_15, s.before_30, s.before_45) is distinct from (e.before_15, e.before_30, e.before_45)
      and date_trunc('month', s.starts_at, 'UTC') not in (select month from dropped_partitions where table_name = 'meter_outbox')
  `,
  sql`
    select format('organization %s has %s readings of the hour %s, but %s were counted', organization_id, r.readings, hour, c.readings) as violation
    from (
      select organization_id, date_trunc('hour', metering.uuid_v7_time(entry_id), 'UTC') as hour, count(*) as readings
      from readings
      where metering.uuid_v7_time(entry_id) >= (select readings_from from usage_progress)
        and metering.uuid_v7_time(entry_id) < (select readings_until from usage_progress)
      group by 1, 2
    ) r
    full join reading_counts c using (organization_id, hour)
    where r.readings is distinct from c.readings
      and date_trunc('month', hour, 'UTC') not in (select month from dropped_partitions where table_name = 'readings')
  `,
];

import { ask, type Site } from "../site/site.ts";
import { addFleet, type Fleet } from "./fleet.ts";

/** How an organization's year looks: how often its usage is sealed, and in how many entries. */
type Habit = {
  /** Organizations with this habit. */
  organizations: number;
  /** Meter events of readings in an hour in which there is usage. */
  eventsPerHour: number;
  entriesPerEvent: number;
  /** Usage in one hour of so many. */
  everyHours: number;
};

const readingsPerEntry = 12;
const sensors = 20;
/** One large organization, some that send all the time, and many that send now and then. */
const habits: readonly Habit[] = [
  { organizations: 1, eventsPerHour: 34, entriesPerEvent: 2, everyHours: 1 },
  { organizations: 39, eventsPerHour: 1, entriesPerEvent: 1, everyHours: 1 },
  { organizations: 460, eventsPerHour: 1, entriesPerEvent: 1, everyHours: 168 },
];
const months = 12;
const connections = 2;

/** A year of usage: who sent it, the first organization the most by far, and where it ends. */
export type YearOfUsage = { fleet: Fleet; until: Date };

/**
 * Fills an empty database with twelve months of partitions, about a million meter events of both meters with their entries
 * and attempts, and 12 million readings, as operation leaves them: nearly all delivered, some in every other state, some
 * entries not sealed, webhooks, billing periods, looks at Stripe's sums. Tells on stderr how long it took.
 */
export async function addYearOfUsage(site: Site, url: string): Promise<YearOfUsage> {
  const startedAtMs = performance.now();
  const organizations = habits.reduce((sum, habit) => sum + habit.organizations, 0);
  const fleet = await addFleet(url, { organizations, sensors });
  const starts = await addMonths(url);
  await inTurns(site, starts, (start) => addMonth(url, start));
  const [counted] = await ask<{ events: number; readings: number; until: Date }>(
    url,
    `select (select count(*)::int from metering.meter_events) as events,
       (select count(*)::int from metering.readings) as readings,
       (select max(hour) + interval '1 hour' from metering.meter_events) as until`,
  );
  if (counted === undefined) throw new Error("nothing was stored");
  await addOtherStates(url);
  await addBooks(url);
  await ask(url, "vacuum analyze");
  const seconds = Math.round((performance.now() - startedAtMs) / 1_000);
  const { events, readings, until } = counted;
  console.error(
    `${events.toLocaleString("en-US")} meter events and ${readings.toLocaleString("en-US")} readings stored in ${seconds} s`,
  );
  return { fleet, until };
}

/** Makes the partitions. Returns the first moment of each month that gets usage. */
async function addMonths(url: string): Promise<Date[]> {
  const made = await ask<{ month: Date }>(
    url,
    `with months as (
       select m as month
       from generate_series(
         date_trunc('month', now(), 'UTC') - make_interval(months => $1::int), date_trunc('month', now(), 'UTC'), interval '1 month', 'UTC'
       ) m
     ),
     made as (
       select metering.create_partition(t, month)
       from months, unnest(array['readings', 'meter_outbox', 'delivery_attempts']) t
     )
     select month from months, (select count(*) from made) c order by month`,
    [months],
  );
  return made.map(({ month }) => month);
}

async function inTurns(
  site: Site,
  starts: readonly Date[],
  work: (start: Date) => Promise<void>,
): Promise<void> {
  const left = [...starts];
  const run = async () => {
    for (let start = left.shift(); start !== undefined; start = left.shift()) {
      site.signal.throwIfAborted();
      await work(start);
    }
  };
  await Promise.all(Array.from({ length: connections }, run));
}

// Triggers, which guard what is there, are off: all of it is new.
const withoutTriggers = "set local session_replication_role = replica";

/** What one month has, up to two hours ago. */
async function addMonth(url: string, start: Date): Promise<void> {
  const span = `timestamptz '${start.toISOString()}'`;
  const shares = habits.map(
    ({ organizations, ...habit }) =>
      `(${organizations}, ${habit.eventsPerHour}, ${habit.entriesPerEvent}, ${habit.everyHours})`,
  );
  await ask(
    url,
    `do $$ begin
       ${withoutTriggers};
       create temporary table month_hours on commit drop as
         select h as hour
         from generate_series(
           ${span}, least(${span} + interval '1 month', date_trunc('hour', now(), 'UTC') - interval '2 hours') - interval '1 hour',
           interval '1 hour'
         ) h;
       create temporary table month_senders on commit drop as
         select o.id, s.stripe_customer_id, h.per_hour, h.entries, h.every_hours, o.place
         from (select id, row_number() over (order by id) as place from metering.organizations) o
         join metering.subscriptions s on s.organization_id = o.id
         join lateral (
           select * from (
             select organizations, per_hour, entries, every_hours,
               sum(organizations) over (rows unbounded preceding) as through
             from (values ${shares.join(", ")}) v (organizations, per_hour, entries, every_hours)
           ) h where o.place <= h.through order by h.through limit 1
         ) h on true;
       insert into metering.meter_events
         (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, state,
          attempts_started, attempts_finished, first_attempt_at, last_attempt_at, sealed_at, delivered_at)
       select o.id, metering.uuid_v7(d.at), e.meter, t.hour, e.quantity, e.at, e.entries, o.stripe_customer_id, 'delivered',
         1, 1, d.at, d.at, d.at, d.at
       from month_hours t
       join month_senders o on (extract(epoch from t.hour)::bigint / 3600 + o.place) % o.every_hours = 0
       cross join lateral (
         select 'temperature_readings' as meter, o.entries * ${readingsPerEntry} as quantity, o.entries as entries,
           t.hour + interval '1 minute' + n * interval '59 minutes' / o.per_hour as at
         from generate_series(0, o.per_hour - 1) n
         union all
         select 'active_sensors', ${sensors}, 1, t.hour + interval '1 second'
       ) e
       cross join lateral (select e.at + interval '30 seconds' as at) d;
     end $$`,
  );
  await addEntries(url, start);
  await addReadings(url, start);
}

async function addEntries(url: string, start: Date): Promise<void> {
  const ofMonth = `hour >= timestamptz '${start.toISOString()}' and hour < timestamptz '${start.toISOString()}' + interval '1 month'`;
  await ask(
    url,
    `do $$ begin
       ${withoutTriggers};
       insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity, meter_event_id)
       select m.organization_id, t.at, metering.uuid_v7(t.at), m.meter, m.quantity / case m.meter when 'active_sensors' then 1 else m.entries end, m.id
       from metering.meter_events m
       cross join generate_series(0, m.entries - 1) n
       cross join lateral (select m.event_at - n * interval '20 seconds' as at) t
       where ${ofMonth};
       insert into metering.delivery_attempts
         (organization_id, meter_event_id, attempt, started_at, duration_ms, verdict, http_status)
       select organization_id, id, 1, first_attempt_at, 100, 'delivered', 200 from metering.meter_events
       where ${ofMonth};
     end $$`,
  );
}

async function addReadings(url: string, start: Date): Promise<void> {
  await ask(
    url,
    `insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
     select e.organization_id, 'freezer-' || n % ${sensors}, e.occurred_at - interval '1 second' + n * interval '1 millisecond',
       n / 10.0 - 20, e.id
     from metering.meter_outbox e
     cross join generate_series(0, ${readingsPerEntry} - 1) n
     where e.occurred_at >= $1::timestamptz and e.occurred_at < $1::timestamptz + interval '1 month' and e.meter = 'temperature_readings'
     order by e.occurred_at`,
    [start],
  );
}

/** Events that wait, are in doubt, were refused, came too late or were replaced; entries that are not sealed. */
async function addOtherStates(url: string): Promise<void> {
  const states = [
    ["pending", 2_000, "null", "0 hours"],
    ["in_doubt", 300, "'network'", "20 days"],
    ["rejected", 1_000, "'meter_event_no_customer_defined'", "40 days"],
    ["expired", 300, "'too_old'", "60 days"],
    ["superseded", 1_000, "'overtaken'", "80 days"],
  ];
  const changed = states.map(
    ([state, events, reason, ago]) => `
      update metering.meter_events m
      set state = '${state}', reason = ${reason}, delivered_at = null
        ${state === "pending" ? ", attempts_started = 0, attempts_finished = 0, first_attempt_at = null, last_attempt_at = null" : ""}
      from (
        select organization_id, id from metering.meter_events
        where id < (select metering.uuid_v7(now() - interval '${ago}')) and state = 'delivered'
          and meter = '${state === "superseded" ? "active_sensors" : "temperature_readings"}'
        order by id desc limit ${events}
      ) latest
      where m.organization_id = latest.organization_id and m.id = latest.id;`,
  );
  await ask(
    url,
    `do $$ begin
       ${withoutTriggers};
       ${changed.join("\n")}
       insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
       select o.id, t.at, metering.uuid_v7(t.at), 'temperature_readings', ${readingsPerEntry}
       from metering.organizations o
       cross join generate_series(1, 10) n
       cross join lateral (select date_trunc('milliseconds', now() - n * interval '1 minute') as at) t;
     end $$`,
  );
}

/** Billing periods with their invoices, daily looks at Stripe's sums, sensor counts, webhooks and actions. */
async function addBooks(url: string): Promise<void> {
  await ask(
    url,
    `do $$ begin
       ${withoutTriggers};
       insert into metering.billing_periods
         (organization_id, period_start, period_end, stripe_customer_id, stripe_subscription_id, closed_at, books, routine_at, next_look_at)
       select s.organization_id, m, m + interval '1 month', s.stripe_customer_id, 'sub_' || s.stripe_customer_id,
         case when m + interval '1 month' < now() then m + interval '1 month 2 hours' end,
         case when m + interval '1 month' < now() then 'equal' end,
         case when m + interval '1 month' < now() then null else now() + interval '1 hour' end,
         case when m + interval '1 month' < now() then timestamptz '9999-01-01' end
       from metering.subscriptions s
       cross join generate_series(
         date_trunc('month', now(), 'UTC') - interval '${months} months', date_trunc('month', now(), 'UTC'), interval '1 month', 'UTC'
       ) m
       on conflict do nothing;
       update metering.subscriptions s
       set stripe_subscription_id = 'sub_' || stripe_customer_id,
         billed = tstzmultirange(tstzrange(date_trunc('month', now(), 'UTC') - interval '${months} months', null)),
         current_period_start = date_trunc('month', now(), 'UTC'),
         current_period_end = date_trunc('month', now(), 'UTC') + interval '1 month';
       update metering.customer_links set linked_at = linked_at - interval '2 years';
       insert into metering.billing_invoices
         (organization_id, invoice_id, period_start, stripe_customer_id, stripe_subscription_id, billing_reason, status, invoiced,
          created_at, finalized_at, paid_at, read_began_at)
       select organization_id, 'in_' || md5(organization_id::text || period_start), period_start, stripe_customer_id,
         stripe_subscription_id, 'subscription_cycle', 'paid', '{"temperature_readings": "1000", "active_sensors": "20"}',
         period_end, period_end, period_end, period_end
       from metering.billing_periods where closed_at is not null;
       insert into metering.reconciliations
         (organization_id, meter, stripe_customer_id, window_start, window_end, cause, ours, theirs, events, fingerprint, reads,
          result, read_at)
       select p.organization_id, m.name, p.stripe_customer_id, p.period_start, d, 'routine', 1, 1, 1, md5(d::text), 1, 'equal', d
       from metering.billing_periods p
       cross join metering.meters m
       cross join generate_series(p.period_start + interval '1 day', least(p.period_end, now()), interval '2 days') d;
       insert into metering.sensor_counts (organization_id, hour, active_sensors, counted_at, stripe_customer_id)
       select organization_id, hour, quantity, event_at, stripe_customer_id
       from metering.meter_events where meter = 'active_sensors';
       insert into metering.stripe_events (event_id, event_type, livemode, payload, received_at, state, handled_at, error)
       select 'evt_' || n, 'invoice.paid', false, jsonb_build_object('id', 'evt_' || n, 'data', repeat('x', 500)),
         t.at, case when n % 5000 = 0 then 'failed' else 'handled' end, case when n % 5000 <> 0 then t.at end,
         case when n % 5000 = 0 then 'no such organization' end
       from generate_series(1, 50000) n
       cross join lateral (select now() - n * interval '10 minutes' as at) t;
       insert into metering.operator_actions (acted_at, via, operator, action, subject, affected)
       select now() - n * interval '1 hour', 'api', '', 'retry', 'evt_' || n, 1 from generate_series(1, 8000) n;
     end $$`,
  );
}

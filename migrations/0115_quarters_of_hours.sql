-- Why: in a time zone such as Asia/Kolkata the edge of a bucket divides every hour, so usage by hour read all entries there:
-- 520 ms for a year of the largest organization of the bench `year`. The sums of each hour now also say how much of it was
-- used before its 15th, 30th and 45th minute, which divides it for every time zone of today. They are made from the same
-- entries that their meter events fold; where those do not add up to the events, as where retention has dropped them, they
-- stay unknown, and a reader goes on as before.
-- The sums begin anew: to fill the columns of rows that are there would write each row again. Until the worker has added up
-- to yesterday, readers add up the meter events themselves, as they did after 0085: 0.1 s for a year of 300,000 events. A
-- sweep adds up for ten seconds at most; a million events take some minutes in all.
-- Locks: usage_sums for a moment, as all of its rows go; answers about usage wait that long.
truncate metering.usage_sums;
update metering.usage_progress set events_through_id = '00000000-0000-0000-0000-000000000000';

alter table metering.usage_sums
  add column before_15 numeric,
  add column before_30 numeric,
  add column before_45 numeric;
-- On a cluster, whose nodes take a constraint alone, each is a command of its own.
alter table metering.usage_sums drop constraint usage_sums_pkey;
alter table metering.usage_sums
  add constraint usage_sums_pkey primary key (organization_id, meter, unit, starts_at, stripe_customer_id)
    include (events, entries, quantity, before_15, before_30, before_45);
alter table metering.usage_sums
  add constraint usage_sums_before_check check (
    (before_15 is null) = (before_30 is null) and (before_30 is null) = (before_45 is null)
    and (before_15 is null or unit = 'hour')
  );
comment on column metering.usage_sums.before_15 is
  'of an hour of a meter that is a sum: how much its entries used before its 15th minute; null where they do not tell';
comment on column metering.usage_sums.before_30 is 'the same, before its 30th minute';
comment on column metering.usage_sums.before_45 is 'the same, before its 45th minute';

-- Adds up whole pages of meter events: 100,000, or as many as fold a million entries, at least one.
create or replace function metering.add_up_usage() returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
-- Statistics of an outbox that has just grown are out of date, and entries are found by those of their event alone.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  settled_after constant interval := interval '1 hour';
  events_max constant integer := 100000;
  entries_max constant integer := 1000000;
  settled_before constant uuid := metering.uuid_v7(date_trunc('hour', now() - settled_after, 'UTC'));
  through_id uuid;
  added record;
begin
  select p.events_through_id into through_id from metering.usage_progress p for update skip locked;
  -- Another worker is at it.
  if not found then
    return 0;
  end if;
  select count(*)::integer as events, (array_agg(page.id order by page.id desc))[1] as last_id into added
  from (
    select next.id, sum(next.entries) over (order by next.id) - next.entries as entries_before
    from (
      select m.id, m.entries
      from metering.meter_events m
      where m.id > through_id and m.id < settled_before
      order by m.id
      limit events_max
    ) next
  ) page
  where page.entries_before < entries_max;
  if added.events = 0 then
    return 0;
  end if;
  insert into metering.usage_sums as s
    (organization_id, meter, unit, starts_at, stripe_customer_id, events, entries, quantity, before_15, before_30, before_45)
  select t.organization_id, t.meter, u.unit, date_trunc(u.unit, t.hour, 'UTC'), t.stripe_customer_id, count(*),
    sum(t.entries), sum(t.quantity),
    case when u.unit = 'hour' and bool_and(t.is_told) then sum(t.before_15) end,
    case when u.unit = 'hour' and bool_and(t.is_told) then sum(t.before_30) end,
    case when u.unit = 'hour' and bool_and(t.is_told) then sum(t.before_45) end
  from (
    select m.organization_id, m.id, m.meter, m.hour, m.stripe_customer_id, m.entries, m.quantity,
      count(e.id) = m.entries and coalesce(sum(e.quantity), 0) = m.quantity
        and bool_and(date_trunc('hour', e.occurred_at, 'UTC') = m.hour) as is_told,
      coalesce(sum(e.quantity) filter (where e.occurred_at < m.hour + interval '15 minutes'), 0) as before_15,
      coalesce(sum(e.quantity) filter (where e.occurred_at < m.hour + interval '30 minutes'), 0) as before_30,
      coalesce(sum(e.quantity) filter (where e.occurred_at < m.hour + interval '45 minutes'), 0) as before_45
    from metering.meter_events m
    left join metering.meters k on k.name = m.meter
    left join metering.meter_outbox e
      -- Without a time, which would offer the key of the outbox: all entries of the hour, for each of its events.
      on k.aggregation = 'sum' and e.organization_id = m.organization_id and e.meter_event_id = m.id
    where m.id > through_id and m.id <= added.last_id and m.replaces_id is null and m.carried_from is null
    group by m.organization_id, m.id, m.meter, m.hour, m.stripe_customer_id, m.entries, m.quantity
  ) t
  cross join (values ('hour'), ('day')) u (unit)
  group by t.organization_id, t.meter, u.unit, date_trunc(u.unit, t.hour, 'UTC'), t.stripe_customer_id
  on conflict (organization_id, meter, unit, starts_at, stripe_customer_id) do update
  set events = s.events + excluded.events, entries = s.entries + excluded.entries, quantity = s.quantity + excluded.quantity,
    before_15 = s.before_15 + excluded.before_15, before_30 = s.before_30 + excluded.before_30,
    before_45 = s.before_45 + excluded.before_45;
  update metering.usage_progress set events_through_id = added.last_id;
  return added.events;
end
$$;

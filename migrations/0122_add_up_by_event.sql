-- Why: adding up did not end where the planner takes the outbox for empty, as after an ANALYZE that ran while the first rows of
-- a month were being written: it read all entries, and compared each with each of up to 100,000 events. Now the entries of an
-- event are looked up for it alone, whatever the planner takes the tables for.
-- Locks: none that anything waits for.

create or replace function metering.add_up_usage() returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
-- Statistics of tables that have just grown are out of date: events are read in the order of their ids, and the entries of each
-- by its own.
set enable_seqscan = off
set enable_sort = off
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
    select m.*, coalesce(told.entries = m.entries and told.quantity = m.quantity and told.is_of_hour, false) as is_told,
      coalesce(told.before_15, 0) as before_15, coalesce(told.before_30, 0) as before_30,
      coalesce(told.before_45, 0) as before_45
    from (
      select m.organization_id, m.id, m.meter, m.hour, m.stripe_customer_id, m.entries, m.quantity
      from metering.meter_events m
      where m.id > through_id and m.id <= added.last_id and m.replaces_id is null and m.carried_from is null
      order by m.id
    ) m
    left join metering.meters k on k.name = m.meter
    left join lateral (
      select e.organization_id, count(*) as entries, sum(e.quantity) as quantity,
        bool_and(date_trunc('hour', e.occurred_at, 'UTC') = m.hour) as is_of_hour,
        sum(e.quantity) filter (where e.occurred_at < m.hour + interval '15 minutes') as before_15,
        sum(e.quantity) filter (where e.occurred_at < m.hour + interval '30 minutes') as before_30,
        sum(e.quantity) filter (where e.occurred_at < m.hour + interval '45 minutes') as before_45
      from metering.meter_outbox e
      -- Without a time, which would offer the key of the outbox: all entries of the hour, for each of its events.
      where k.aggregation = 'sum' and e.organization_id = m.organization_id and e.meter_event_id = m.id
      group by e.organization_id
    ) told on told.organization_id = m.organization_id
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

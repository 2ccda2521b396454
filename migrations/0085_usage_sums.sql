-- Why: usage of a year added up every meter event of it: the largest organization of the bench `year` has 298,000. Meter
-- events are never deleted and what they bill never changes, so those of before stay counted, by hour and by day; a reader
-- adds those that came since, and takes off the few that are not delivered. `add_up_usage` fills the table from the
-- beginning, 100,000 events a call and at most a million a minute, while readers count what it has not reached yet.
-- Locks: meter_events against writes while two indexes of few rows are built, one read of the table each: about a second
-- for a million events. Where it is larger, make them before, by the statements below with "concurrently" behind
-- "create index": that stops no writer, and this migration then finds them.

create table metering.usage_sums (
  organization_id uuid not null,
  meter text not null,
  unit text not null check (unit in ('hour', 'day')),
  starts_at timestamptz not null check (isfinite(starts_at)),
  stripe_customer_id text not null,
  events bigint not null,
  entries bigint not null,
  quantity numeric not null,
  primary key (organization_id, meter, unit, starts_at, stripe_customer_id) include (events, entries, quantity)
);
comment on table metering.usage_sums is
  'meter events that were sealed from entries, with ids up to usage_progress.events_through_id, whatever their state, added up by their UTC hour and day';
comment on column metering.usage_sums.entries is 'how many entries these events fold';

create table metering.usage_progress (
  is_only boolean primary key default true check (is_only),
  events_through_id uuid not null
);
comment on table metering.usage_progress is 'one row: how far usage_sums goes';
insert into metering.usage_progress (events_through_id) values ('00000000-0000-0000-0000-000000000000');

-- Adds up meter events of hours that are over for an hour and more, 100,000 at most, and returns how many. By whole hours, so
-- that a row changes once or twice and not with every seal. An id holds the moment of its insert, and no transaction that
-- inserts one lasts an hour, so that none appears among those that are added up.
create function metering.add_up_usage() returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  settled_after constant interval := interval '1 hour';
  events_max constant integer := 100000;
  through_id uuid;
  added record;
begin
  select p.events_through_id into through_id from metering.usage_progress p for update skip locked;
  -- Another worker is at it.
  if not found then
    return 0;
  end if;
  with page as materialized (
    select m.id, m.organization_id, m.meter, m.hour, m.stripe_customer_id, m.entries, m.quantity,
      m.replaces_id is null and m.carried_from is null as is_usage
    from metering.meter_events m
    where m.id > through_id and m.id < metering.uuid_v7(date_trunc('hour', now() - settled_after, 'UTC'))
    order by m.id
    limit events_max
  ),
  hours as materialized (
    select p.organization_id, p.meter, p.hour, p.stripe_customer_id, count(*) as events, sum(p.entries) as entries,
      sum(p.quantity) as quantity
    from page p
    where p.is_usage
    group by p.organization_id, p.meter, p.hour, p.stripe_customer_id
  ),
  summed as (
    insert into metering.usage_sums as s
      (organization_id, meter, unit, starts_at, stripe_customer_id, events, entries, quantity)
    select h.organization_id, h.meter, 'hour', h.hour, h.stripe_customer_id, h.events, h.entries, h.quantity
    from hours h
    union all
    select h.organization_id, h.meter, 'day', date_trunc('day', h.hour, 'UTC'), h.stripe_customer_id, sum(h.events),
      sum(h.entries), sum(h.quantity)
    from hours h
    group by h.organization_id, h.meter, date_trunc('day', h.hour, 'UTC'), h.stripe_customer_id
    on conflict (organization_id, meter, unit, starts_at, stripe_customer_id) do update
    set events = s.events + excluded.events, entries = s.entries + excluded.entries, quantity = s.quantity + excluded.quantity
  )
  select count(*)::integer as events, (array_agg(p.id order by p.id desc))[1] as last_id into added from page p;
  if added.events > 0 then
    update metering.usage_progress set events_through_id = added.last_id;
  end if;
  return added.events;
end
$$;
comment on function metering.add_up_usage is
  'adds meter events of hours that are over for an hour to usage_sums, 100,000 at most; returns how many';
revoke execute on function metering.add_up_usage from public;

-- What an organization's sums are taken apart by: events that are not delivered, and events that replace others.
create index if not exists meter_events_undelivered on metering.meter_events (organization_id, meter, hour)
  where state in ('in_doubt', 'rejected', 'expired', 'superseded') and replaces_id is null and carried_from is null;
create index if not exists meter_events_replacing on metering.meter_events (organization_id, meter, hour)
  where replaces_id is not null;

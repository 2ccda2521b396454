-- Why: the outbox report tells how many events were delivered, ever, and counted them one by one for it: seconds, after a
-- year. Meter events are never deleted and their quantity never changes, so those of before stay counted; delivered are
-- all without those in other states, which are few and have their indexes.
-- Locks: meter_events against writes, while an index without entries is built: one read of the table.

create table metering.meter_event_total (
  is_only boolean primary key default true check (is_only),
  through_id uuid not null,
  events bigint not null,
  quantity numeric not null
);
comment on table metering.meter_event_total is
  'one row: all meter events with ids up to through_id, whatever their state, added up; a report counts those after it';
insert into metering.meter_event_total (through_id, events, quantity)
values ('00000000-0000-0000-0000-000000000000', 0, 0);

-- Adds up meter events of more than an hour ago, 100,000 at most, and returns how many. An id holds the moment of its
-- insert, and no transaction that inserts one lasts as long, so that none appears among those that are added up.
create function metering.add_up_meter_events() returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  settled_after constant interval := interval '1 hour';
  events_max constant integer := 100000;
  total metering.meter_event_total;
  added record;
begin
  select * into total from metering.meter_event_total for update skip locked;
  -- Another worker is at it.
  if not found then
    return 0;
  end if;
  select count(*)::integer as events, sum(page.quantity) as quantity, (array_agg(page.id order by page.id desc))[1] as last_id
  into added
  from (
    select m.id, m.quantity
    from metering.meter_events m
    where m.id > total.through_id and m.id < metering.uuid_v7(now() - settled_after)
    order by m.id
    limit events_max
  ) page;
  if added.events > 0 then
    update metering.meter_event_total
    set through_id = added.last_id, events = total.events + added.events, quantity = total.quantity + added.quantity;
  end if;
  return added.events;
end
$$;
comment on function metering.add_up_meter_events is
  'adds meter events of more than an hour ago to meter_event_total, 100,000 at most; returns how many';
revoke execute on function metering.add_up_meter_events from public;

-- What is neither delivered nor in another index. Nothing confirms events yet.
create index meter_events_confirmed on metering.meter_events (id) where state = 'confirmed';

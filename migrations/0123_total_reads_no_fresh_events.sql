-- Why: add_up_meter_events compared each event of the last hour with an id that it made anew for each, since uuid_v7 is volatile
-- and bounds no index: of 100,000 such events each sweep read all, twice a minute, to add up none. The bound is made once now.
-- Locks: none that anything waits for.

create or replace function metering.add_up_meter_events() returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
-- Statistics of a table that has just grown are out of date: events are read in the order of their ids.
set enable_seqscan = off
set enable_sort = off
as $$
declare
  settled_after constant interval := interval '1 hour';
  events_max constant integer := 100000;
  settled_before constant uuid := metering.uuid_v7(now() - settled_after);
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
    where m.id > total.through_id and m.id < settled_before
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

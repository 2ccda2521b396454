-- Why: add_up_usage wrote its sums in a part of a statement that also read (a data-modifying "with"), which a cluster refuses.
-- The same in plain steps: where the next 100,000 events end, then their sums. Both see the same events: those that are an
-- hour old change neither what they bill nor their number.
-- Locks: nothing that is read or written; one function.
create or replace function metering.add_up_usage() returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  settled_after constant interval := interval '1 hour';
  events_max constant integer := 100000;
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
    select m.id
    from metering.meter_events m
    where m.id > through_id and m.id < settled_before
    order by m.id
    limit events_max
  ) page;
  if added.events = 0 then
    return 0;
  end if;
  insert into metering.usage_sums as s
    (organization_id, meter, unit, starts_at, stripe_customer_id, events, entries, quantity)
  select m.organization_id, m.meter, u.unit, date_trunc(u.unit, m.hour, 'UTC'), m.stripe_customer_id, count(*),
    sum(m.entries), sum(m.quantity)
  from metering.meter_events m
  cross join (values ('hour'), ('day')) u (unit)
  where m.id > through_id and m.id <= added.last_id and m.replaces_id is null and m.carried_from is null
  group by m.organization_id, m.meter, u.unit, date_trunc(u.unit, m.hour, 'UTC'), m.stripe_customer_id
  on conflict (organization_id, meter, unit, starts_at, stripe_customer_id) do update
  set events = s.events + excluded.events, entries = s.entries + excluded.entries, quantity = s.quantity + excluded.quantity;
  update metering.usage_progress set events_through_id = added.last_id;
  return added.events;
end
$$;

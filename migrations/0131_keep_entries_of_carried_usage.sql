-- Why: usage that LATE_USAGE=carry_forward carried into another month has its entries in the month before, and that month was
-- dropped while the event that stands for them was still rejected or in doubt: an operator could no longer see what is behind
-- it, and the readings lost what kept them.
-- Locks: nothing; one function.

create or replace function metering.count_what_keeps(table_name text, month timestamp with time zone, OUT unsealed bigint, OUT open_events bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
declare
  child constant text := metering.partition_name(count_what_keeps.table_name, count_what_keeps.month);
  until constant timestamptz := count_what_keeps.month + interval '1 month';
  -- What open events replace, from the first: whose entries they stand for.
  versions record;
  replaced_of uuid[] := '{}';
  replaced_ids uuid[] := '{}';
  replaced_open uuid[] := '{}';
begin
  -- What replaces others counts the entries of the first.
  select array_agg(m.organization_id) as of, array_agg(m.id) as ids, array_agg(m.id) as open into versions
  from (
    select organization_id, id from metering.meter_events where state = 'pending' and replaces_id is not null
    union all
    select organization_id, id from metering.meter_events
    where state in ('in_doubt', 'rejected') and replaces_id is not null
  ) m;
  while versions.ids is not null loop
    select array_agg(o.organization_id) as of, array_agg(o.id) as ids, array_agg(v.open_id) as open into versions
    from unnest(versions.of, versions.ids, versions.open) v (organization_id, id, open_id)
    join metering.meter_events o on o.organization_id = v.organization_id and o.replaced_by_id = v.id;
    replaced_of := replaced_of || versions.of;
    replaced_ids := replaced_ids || versions.ids;
    replaced_open := replaced_open || versions.open;
  end loop;
  case count_what_keeps.table_name
  when 'meter_outbox' then
    execute format('select count(*) from metering.%I where meter_event_id is null', child) into unsealed;
    -- An event lies in the hour of all its entries, but for usage that was carried forward: that lies in the hour of the
    -- event that it replaces. Two reads, each by the partial index of its states.
    select count(distinct e.id) into open_events
    from (
      select id, hour from metering.meter_events where state = 'pending'
      union all
      select id, hour from metering.meter_events where state in ('in_doubt', 'rejected')
      union all
      select v.open_id, m.hour
      from unnest(replaced_of, replaced_ids, replaced_open) v (organization_id, id, open_id)
      join metering.meter_events m on m.organization_id = v.organization_id and m.id = v.id
    ) e
    where e.hour >= count_what_keeps.month and e.hour < until;
  when 'delivery_attempts' then
    unsealed := 0;
    execute format($q$
      select count(*)
      from (
        select organization_id, id from metering.meter_events where state = 'pending'
        union all
        select organization_id, id from metering.meter_events where state in ('in_doubt', 'rejected')
      ) e
      where exists (
        select 1 from metering.%I a where a.organization_id = e.organization_id and a.meter_event_id = e.id
      )
    $q$, child) into open_events;
  when 'readings' then
    -- From the few that are open to their readings, whenever they were taken in.
    execute format($q$
      with open_event as (
        select organization_id, id from metering.meter_events where state = 'pending'
        union all
        select organization_id, id from metering.meter_events where state in ('in_doubt', 'rejected')
      ),
      open_entry as (
        select organization_id, id, null::uuid as open_id from metering.meter_outbox where meter_event_id is null
        union all
        select e.organization_id, e.id, o.id
        from open_event o
        join metering.meter_outbox e on e.organization_id = o.organization_id and e.meter_event_id = o.id
        union all
        select e.organization_id, e.id, v.open_id
        from unnest($1, $2, $3) v (organization_id, id, open_id)
        join metering.meter_outbox e on e.organization_id = v.organization_id and e.meter_event_id = v.id
      )
      select count(*) filter (where o.open_id is null), count(distinct o.open_id)
      from open_entry o
      where exists (
        select 1 from metering.%I r where r.organization_id = o.organization_id and r.entry_id = o.id
      )
    $q$, child) into unsealed, open_events using replaced_of, replaced_ids, replaced_open;
  end case;
end
$_$;

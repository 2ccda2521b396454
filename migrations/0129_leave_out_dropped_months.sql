-- Why: where READINGS_MAX_AGE_DAYS was smaller once, months of the last year were dropped. A reading of one of them failed the
-- statement, so that its request was answered with 500 each time, and none of its other readings was stored either. Now it
-- alone is left out, and the program answers too_old for it.
-- Locks: nothing; two functions.

create or replace function metering.refuse_dropped_month() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select from metering.dropped_partitions d
    where d.table_name = 'readings' and d.month = date_trunc('month', new.recorded_at, 'UTC')
  ) then
    -- It may have been billed before. The row is not inserted, and not counted in its entry.
    return null;
  end if;
  return new;
end
$$;

create or replace function metering.store_readings(
  of_organization uuid,
  organization_list text,
  place_list text,
  sensor_list text,
  moment_list text,
  temperature_list text,
  at timestamptz,
  traceparent text
) returns table (index integer, is_known boolean, is_active boolean, stored double precision)
language plpgsql
set enable_seqscan = off
as $$
#variable_conflict use_variable
declare
  organizations constant uuid[] := organization_list;
  places constant integer[] := place_list;
  sensors constant text[] := sensor_list;
  moments constant timestamptz[] := moment_list;
  temperatures constant double precision[] := temperature_list;
  occurred_at constant timestamptz := date_trunc('milliseconds', at);
  ids constant uuid[] := array(select metering.uuid_v7(occurred_at) from unnest(organizations));
  quantities bigint[];
  is_found boolean[];
  inserted integer;
  ours integer := 0;
  row record;
  entries text;
begin
  -- The sensors are the source, and the filter names their organizations: so the statement reaches their shards alone.
  -- Ordered by key, so that two transactions with the same readings wait for each other and never deadlock. Of two readings
  -- of one sensor and moment the first is inserted.
  insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
  select s.organization_id, i.sensor_id, i.recorded_at, i.temperature, ids[i.organization]
  from unnest(places, sensors, moments, temperatures) with ordinality
    as i (organization, sensor_id, recorded_at, temperature, n)
  cross join lateral (
    select x.organization_id from metering.sensors x
    where x.organization_id = any(organizations) and x.organization_id = organizations[i.organization]
      and x.id = i.sensor_id and x.deactivated_at is null
    group by x.organization_id
  ) s
  order by s.organization_id, i.sensor_id collate "C", i.recorded_at, i.n
  on conflict do nothing;
  get diagnostics inserted = row_count;

  if inserted = cardinality(places) then
    quantities := array(select count(*) from unnest(places) p (place) group by place order by place);
  else
    quantities := array_fill(0::bigint, array[cardinality(organizations)]);
    return query values (null::integer, null::boolean, null::boolean, null::double precision);
    is_found := array_fill(false, array[cardinality(places)]);
    -- Sees what was committed before it began, so that the loser of a race finds the winner's reading.
    for row in
      select i.n::integer as n, i.organization, r.entry_id, r.temperature,
        row_number() over (partition by i.organization, i.sensor_id, i.recorded_at) = 1 as is_first
      from unnest(places, sensors, moments) with ordinality as i (organization, sensor_id, recorded_at, n)
      cross join lateral (
        select x.entry_id, x.temperature from metering.readings x
        where x.organization_id = any(organizations) and x.organization_id = organizations[i.organization]
          and x.sensor_id = i.sensor_id and x.recorded_at = i.recorded_at
        group by x.organization_id, x.entry_id, x.temperature
      ) r
    loop
      is_found[row.n] := true;
      if row.entry_id <> ids[row.organization] then
        return query values (row.n - 1, true, true, row.temperature);
      elsif row.is_first then
        quantities[row.organization] := quantities[row.organization] + 1;
        ours := ours + 1;
      end if;
    end loop;
    if ours <> inserted then
      raise exception 'the readings that were stored are not those that were inserted';
    end if;
    for row in
      select i.n::integer as n, s.is_active
      from unnest(places, sensors, is_found) with ordinality as i (organization, sensor_id, is_found, n)
      cross join lateral (
        select x.deactivated_at is null as is_active from metering.sensors x
        where x.organization_id = any(organizations) and x.organization_id = organizations[i.organization]
          and x.id = i.sensor_id
        group by x.organization_id, x.deactivated_at
      ) s
      where not i.is_found
    loop
      -- Registered or brought back meanwhile: all is taken back, and the caller does it again. Unless none is stored
      -- because its month was dropped.
      if row.is_active and not exists (
        select 1 from metering.dropped_partitions d
        where d.table_name = 'readings' and d.month = date_trunc('month', moments[row.n], 'UTC')
      ) then
        raise exception 'a sensor came into use while its readings were stored' using errcode = 'MO001';
      end if;
      is_found[row.n] := true;
      return query values (row.n - 1, true, row.is_active, null::double precision);
    end loop;
    return query
      select f.n::integer - 1, false, false, null::double precision
      from unnest(is_found) with ordinality as f (is_found, n)
      where not f.is_found;
  end if;

  -- As text, since a node plans one insert of many rows in a fraction of the time of many inserts, or of a query's rows.
  select string_agg(
    format('(%L,%L,%L,''temperature_readings'',%s,%L)', e.organization, occurred_at, e.id, e.quantity, traceparent), ','
  ) into entries
  from unnest(organizations, ids, quantities) as e (organization, id, quantity)
  where e.quantity > 0;
  if entries is not null then
    execute 'insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity, traceparent) values '
      || entries;
  end if;
end
$$;

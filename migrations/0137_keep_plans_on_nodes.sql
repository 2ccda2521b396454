-- Why: Citus plans an `insert … select` anew in each call, once for the cluster and once for each shard, and keeps none of these
-- plans: that was half of what a reading cost on a node. The function runs on the node of its organizations anyway, so it now
-- writes to their shards by name, as Citus itself does, in statements that the session keeps with their plans. Nothing else
-- writes so: Citus routes all other statements.
-- `hold_shards` takes the locks that Citus takes for its own writes: that of the table, and that of a shard that may not move or be
-- split meanwhile.
-- Locks: nothing; two functions.

-- Runs with its owner's rights, since Citus lends the second lock to the tables' owner alone.
create function metering.hold_shards(organizations uuid[]) returns bigint[]
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  shards constant bigint[] := array(
    select get_shard_id_for_distribution_column('metering.readings', o.id)
    from unnest(organizations) with ordinality as o (id, n)
    order by o.n
  );
  held constant bigint[] := array(select distinct s.id from unnest(shards) as s (id) order by s.id);
  found_here integer;
begin
  -- Nothing is deleted: the table is locked as for a write, so that `lock table` still holds up intake.
  delete from metering.readings where false;
  -- 5 is SHARE: writers share it, a move waits for them and they for it. Tables that lie beside `readings` share the lock.
  perform lock_shard_metadata(5, held);
  -- Read after the lock, so that a move that ended meanwhile is seen.
  select count(*) into found_here
  from pg_dist_placement p
  join pg_dist_local_group here using (groupid)
  where p.shardid = any(held);
  if found_here = 0 then
    -- The coordinator does it itself while it does not trust the node's copy of the metadata, as after citus_update_node.
    raise exception 'the node of these organizations is not asked yet' using errcode = 'cannot_connect_now';
  elsif found_here < cardinality(held) then
    raise exception 'rows of an organization moved to another node' using errcode = 'MO001';
  end if;
  return shards;
end
$$;

comment on function metering.hold_shards(uuid[]) is
  'the shard of `readings` for each of these organizations, all of which stay on this node until the transaction ends. MO001: some lie on another node; 57P03: all do';

revoke execute on function metering.hold_shards from public;

-- The API that is running calls it before scripts/roles.sql is run again.
do $$
declare
  caller regrole;
begin
  for caller in
    select a.grantee
    from pg_proc p
    cross join lateral aclexplode(p.proacl) a
    where p.oid = 'metering.store_readings'::regproc and a.grantee not in (0, p.proowner)
  loop
    execute format('grant execute on function metering.hold_shards to %s', caller);
  end loop;
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
set plan_cache_mode = force_generic_plan
as $function$
#variable_conflict use_variable
declare
  -- The same as store-readings.ts does on one Postgres; of two readings of one sensor and moment the first is inserted. Ordered
  -- by key, so that two transactions with the same readings wait for each other and never deadlock.
  insert_readings constant text := $$
    with inserted as (
      insert into metering.readings_%1$s (organization_id, sensor_id, recorded_at, temperature, entry_id)
      select $1[i.organization], i.sensor_id, i.recorded_at, i.temperature, $7[i.organization]
      from unnest($3, $4, $5, $6) with ordinality as i (organization, sensor_id, recorded_at, temperature, n)
      cross join lateral (
        select from metering.sensors_%2$s s
        where s.organization_id = $1[i.organization] and s.id = i.sensor_id and s.deactivated_at is null
        limit 1
      ) s
      where $2[i.organization] = %1$s
      order by $1[i.organization], i.sensor_id collate "C", i.recorded_at, i.n
      on conflict do nothing
      returning organization_id, entry_id
    ),
    counted as (
      insert into metering.meter_outbox_%3$s (organization_id, occurred_at, id, meter, quantity, traceparent)
      select organization_id, $8, entry_id, 'temperature_readings', count(*), $9
      from inserted
      group by organization_id, entry_id
    )
    select count(*) from inserted
  $$;
  -- Its snapshot is taken after the insert waited, so that the loser of a race finds the winner's reading.
  look_for_readings constant text := $$
    select i.n::integer as n, i.recorded_at, r.entry_id = $6[i.organization] as is_ours, r.temperature,
      s.id is not null as is_known,
      s.id is not null and s.deactivated_at is null as is_active,
      row_number() over (partition by i.organization, i.sensor_id, i.recorded_at order by i.n) = 1 as is_first
    from unnest($3, $4, $5) with ordinality as i (organization, sensor_id, recorded_at, n)
    left join lateral (
      select entry_id, temperature from metering.readings_%1$s r
      where r.organization_id = $1[i.organization] and r.sensor_id = i.sensor_id and r.recorded_at = i.recorded_at
      limit 1
    ) r on true
    left join lateral (
      select id, deactivated_at from metering.sensors_%2$s s
      where s.organization_id = $1[i.organization] and s.id = i.sensor_id
      limit 1
    ) s on true
    where $2[i.organization] = %1$s
  $$;
  organizations constant uuid[] := organization_list;
  occurred_at constant timestamptz := date_trunc('milliseconds', at);
  ids constant uuid[] := array(select metering.uuid_v7(occurred_at) from unnest(organizations));
  shards constant bigint[] := metering.hold_shards(organizations);
  held constant bigint[] := array(select distinct s.id from unnest(shards) as s (id) order by s.id);
  version constant text := left(md5(insert_readings || look_for_readings), 8);
  shard bigint;
  sensors_shard bigint;
  outbox_shard bigint;
  inserted bigint;
  inserted_in_all bigint := 0;
  ours bigint := 0;
  row record;
begin
  foreach shard in array held loop
    -- The session may have kept what an earlier text of this function prepared, under another name.
    if not exists (select from pg_prepared_statements p where p.name = format('store_%s_%s', shard, version)) then
      select max(s.shardid) filter (where s.logicalrelid = 'metering.sensors'::regclass),
        max(s.shardid) filter (where s.logicalrelid = 'metering.meter_outbox'::regclass)
      into sensors_shard, outbox_shard
      from pg_dist_shard s
      join pg_dist_shard r using (shardminvalue)
      where r.shardid = shard and s.logicalrelid in ('metering.sensors'::regclass, 'metering.meter_outbox'::regclass);
      execute format('prepare look_%s_%s (uuid[], bigint[], integer[], text[], timestamptz[], uuid[]) as ', shard, version)
        || format(look_for_readings, shard, sensors_shard);
      execute format('prepare store_%s_%s ', shard, version)
        || '(uuid[], bigint[], integer[], text[], timestamptz[], double precision[], uuid[], timestamptz, text) as '
        || format(insert_readings, shard, sensors_shard, outbox_shard);
    end if;
    execute format(
      'execute store_%s_%s (%L, %L, %L, %L, %L, %L, %L, %L, %L)',
      shard, version, organization_list, shards, place_list, sensor_list, moment_list, temperature_list, ids, occurred_at,
      traceparent
    ) into inserted;
    inserted_in_all := inserted_in_all + inserted;
  end loop;
  if inserted_in_all = cardinality(place_list::integer[]) then
    return;
  end if;

  return query values (null::integer, null::boolean, null::boolean, null::double precision);
  foreach shard in array held loop
    for row in execute format(
      'execute look_%s_%s (%L, %L, %L, %L, %L, %L)',
      shard, version, organization_list, shards, place_list, sensor_list, moment_list, ids
    ) loop
      if row.is_ours then
        -- The later of two in one call is judged by the caller, who has both.
        if row.is_first then
          ours := ours + 1;
        end if;
      elsif row.temperature is null and row.is_active and not exists (
        select from metering.dropped_partitions d
        where d.table_name = 'readings' and d.month = date_trunc('month', row.recorded_at, 'UTC')
      ) then
        -- Registered or brought back meanwhile: all is taken back, and the caller does it again. Unless it was not stored
        -- because its month was dropped.
        raise exception 'a sensor came into use while its readings were stored' using errcode = 'MO001';
      else
        return query values (row.n - 1, row.is_known, row.is_active, row.temperature);
      end if;
    end loop;
  end loop;
  if ours <> inserted_in_all then
    raise exception 'the readings that were stored are not those that were inserted';
  end if;
end
$function$;

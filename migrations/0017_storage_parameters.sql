-- Why: Postgres vacuums a table when a fifth of it has changed. For tables of millions of rows that is late, and an
-- append-only month that has passed would be read whole once more, years later, for fear of wraparound.
-- Locks: each table for a moment, which stops neither its readers nor its writers.

-- How a table is stored and vacuumed. A partition inherits none of this, and a partitioned table may have none.
create function metering.storage_parameters(table_name text) returns text
language sql immutable
as $$
  select case
    -- Append-only. Frozen by the first vacuum that passes, a page is never visited again. Of a month that has passed, at
    -- most a twentieth is left for later.
    when table_name in ('readings', 'delivery_attempts', 'sensor_counts') then
      'autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_freeze_min_age = 0'
    -- Every entry is stamped once, which leaves a dead version of it in the heap and in the index of unsealed entries,
    -- where each seal begins. Both indexes change with the stamp, so no update is HOT (measured: 0 of 29,200) and free
    -- room in its page (fillfactor) would be wasted. Measured with 1,000 organizations and 300,000 sealed entries: finding
    -- the oldest unsealed entry of each reads 262,000 buffers in 46 ms without a vacuum since, 10,000 in 3 ms with one
    -- after every 50,000. Sealed, an entry never changes again.
    when table_name = 'meter_outbox' then
      'autovacuum_vacuum_scale_factor = 0.02, autovacuum_freeze_min_age = 0'
    -- Each event is updated when its attempt begins, which is HOT where its page has room, and when it is settled, which
    -- never is, as the state is in the predicates of indexes. Two dead versions of each are left. Measured over 14,400
    -- events: of the first updates are HOT 24 % with a fillfactor of 100, 69 % with 70 (migration 0005) and 93 % with 50;
    -- the table has 509, 559 and 718 pages, and the WAL 90, 86 and 87 MB. So it stays at 70.
    when table_name = 'meter_events' then
      'autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02'
  end
$$;
comment on function metering.storage_parameters is
  'storage parameters of a table, or of each partition of a partitioned one; null: those of the server';
revoke execute on function metering.storage_parameters from public;

-- Makes the partition of a table for the UTC month that begins at `month`, and returns its name; null when it was there.
-- Safe to run twice and at once. It is made apart and then attached, which leaves readers and writers of the table
-- alone; `partition of` would lock it whole.
create or replace function metering.create_partition(table_name text, month timestamptz) returns text
language plpgsql
security definer
-- Nothing of the caller's is found by name inside: its own schemas and temporary objects come last or not at all.
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
-- Attaching looks through the default partition under a lock; whoever holds it long makes this try fail, not intake.
set lock_timeout = '5s'
as $$
declare
  child constant text := create_partition.table_name || to_char(create_partition.month, '_YYYY_MM');
begin
  if create_partition.table_name is null
    or create_partition.table_name not in ('readings', 'meter_outbox', 'delivery_attempts')
  then
    raise exception 'there is no partitioned table %', quote_nullable(create_partition.table_name)
      using errcode = 'invalid_parameter_value';
  end if;
  if create_partition.month is null
    or create_partition.month not between timestamptz '2000-01-01' and timestamptz '2099-12-01'
    or create_partition.month <> date_trunc('month', create_partition.month)
  then
    raise exception '% does not begin a UTC month of 2000 to 2099', quote_nullable(create_partition.month)
      using errcode = 'invalid_parameter_value';
  end if;
  -- Asks the table, as to_regclass would answer from a cache that waiting for an advisory lock does not refresh.
  if exists (select from pg_class c where c.relname = child and c.relnamespace = 'metering'::regnamespace) then
    return null;
  end if;
  -- Two processes that both miss the partition meet here; the second finds it made.
  perform pg_advisory_xact_lock(hashtext('metering.partitions'));
  if exists (select from pg_class c where c.relname = child and c.relnamespace = 'metering'::regnamespace) then
    return null;
  end if;
  if exists (
    select from metering.dropped_partitions d
    where d.table_name = create_partition.table_name and d.month = create_partition.month
  ) then
    raise exception '% was dropped by retention and is not opened again', child
      using errcode = 'object_not_in_prerequisite_state',
        hint = 'READINGS_MAX_AGE_DAYS reaches back to readings that are not kept any more; make it smaller.';
  end if;
  execute format(
    'create table metering.%I (like metering.%I including defaults including constraints) with (%s)',
    child, create_partition.table_name, metering.storage_parameters(create_partition.table_name)
  );
  execute format(
    'alter table metering.%I attach partition metering.%I for values from (%L) to (%L)',
    create_partition.table_name, child, create_partition.month, create_partition.month + interval '1 month'
  );
  return child;
end
$$;

-- Tables of their own, and the partitions that are there, the default ones included.
do $$
declare
  tuned record;
begin
  for tuned in
    select c.oid::regclass as leaf, metering.storage_parameters(coalesce(parent.relname, c.relname)) as parameters
    from pg_class c
    left join pg_inherits i on i.inhrelid = c.oid
    left join pg_class parent on parent.oid = i.inhparent
    where c.relnamespace = 'metering'::regnamespace and c.relkind = 'r'
  loop
    continue when tuned.parameters is null;
    execute format('alter table %s set (%s)', tuned.leaf, tuned.parameters);
  end loop;
end
$$;

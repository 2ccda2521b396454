-- Why: making a partition takes the owner's rights, and a worker should not have them. This function makes partitions
-- of known tables for whole months, and nothing else, with the rights of the role that migrates.
-- Locks: nothing that exists.

-- Makes the partition of a table for the UTC month that begins at `month`, and returns its name; null when it was there.
-- Safe to run twice and at once. It is made apart and then attached, which leaves readers and writers of the table
-- alone; `partition of` would lock it whole.
create function metering.create_partition(table_name text, month timestamptz) returns text
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
    or create_partition.table_name not in ('readings', 'meter_outbox')
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
  execute format(
    'create table metering.%I (like metering.%I including defaults including constraints)',
    child, create_partition.table_name
  );
  execute format(
    'alter table metering.%I attach partition metering.%I for values from (%L) to (%L)',
    create_partition.table_name, child, create_partition.month, create_partition.month + interval '1 month'
  );
  return child;
end
$$;
comment on function metering.create_partition is
  'makes the partition of readings or meter_outbox for one UTC month with its owner''s rights; null when it was there';
revoke execute on function metering.create_partition from public;

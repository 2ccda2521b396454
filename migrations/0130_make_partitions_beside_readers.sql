-- Why: attaching a partition locks the default one whole, and waited five seconds for a session that reads it for long, such as
-- a dump. Every look through all months waited behind it, and so did intake. Now it waits 200 ms at a time, three times, as
-- the drop of a month does.
-- Locks: nothing; one function.

create or replace function metering.create_partition(table_name text, month timestamptz) returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
-- For another process that makes the same partition.
set lock_timeout = '10s'
as $$
declare
  tries constant integer := 3;
  seconds_between constant double precision := 1;
  child constant text := metering.partition_name(create_partition.table_name, create_partition.month);
begin
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
  perform set_config('lock_timeout', '200ms', true);
  for try in 1..tries loop
    begin
      execute format(
        'create table metering.%I (like metering.%I including defaults including constraints) with (%s)',
        child, create_partition.table_name, metering.storage_parameters(create_partition.table_name)
      );
      execute format(
        'alter table metering.%I attach partition metering.%I for values from (%L) to (%L)',
        create_partition.table_name, child, create_partition.month, create_partition.month + interval '1 month'
      );
      return child;
    exception when lock_not_available then
      if try = tries then
        raise;
      end if;
    end;
    perform pg_sleep(seconds_between);
  end loop;
end
$$;

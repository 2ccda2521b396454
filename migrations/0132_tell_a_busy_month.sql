-- Why: a month whose partition alone is held, as by a session that reads this one, was told of as a table that is held, and no
-- later month of the table was looked at: all stayed as long as that session did. Now the answer tells the two apart.
-- A worker of the version before goes on with the later months, too, and looks at such a month again a day later, not an hour.
-- Locks: nothing; one function.

create or replace function metering.drop_partition(table_name text, month timestamp with time zone, OUT outcome text, OUT dropped_rows bigint, OUT unsealed bigint, OUT open_events bigint) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET lock_timeout TO '200ms'
    AS $$
declare
  age_min constant interval := interval '70 days';
  -- Longer than any transaction of intake or seal. What was written since may not be in the sums yet.
  quiet_for constant interval := interval '1 hour';
  tries constant integer := 3;
  seconds_between constant double precision := 1;
  child constant text := metering.partition_name(drop_partition.table_name, drop_partition.month);
  is_table_locked boolean := false;
begin
  if drop_partition.month + interval '1 month' > now() - age_min then
    raise exception '% ended less than % ago', child, age_min using errcode = 'invalid_parameter_value';
  end if;
  dropped_rows := 0;
  unsealed := 0;
  open_events := 0;
  -- One at a time; a second run leaves it to the first.
  if not pg_try_advisory_xact_lock(hashtext('metering.retention')) then
    outcome := 'busy';
    return;
  end if;
  if not exists (
    select from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = format('metering.%I', drop_partition.table_name)::regclass
      and c.relname = child and c.relnamespace = 'metering'::regnamespace
  ) then
    outcome := 'absent';
    return;
  end if;
  select k.unsealed, k.open_events into unsealed, open_events
  from metering.count_what_keeps(drop_partition.table_name, drop_partition.month) k;
  if unsealed + open_events > 0 then
    outcome := 'kept';
    return;
  end if;
  if metering.is_written(drop_partition.table_name, drop_partition.month, clock_timestamp() - quiet_for) then
    outcome := 'written';
    return;
  end if;

  begin
    dropped_rows := metering.write_down(drop_partition.table_name, drop_partition.month);
    for try in 1..tries loop
      begin
        is_table_locked := false;
        execute format('lock table only metering.%I in access exclusive mode', drop_partition.table_name);
        is_table_locked := true;
        if metering.is_written(drop_partition.table_name, drop_partition.month, clock_timestamp() - quiet_for) then
          raise lock_not_available using message = format('%s was written to meanwhile', child);
        end if;
        execute format('alter table metering.%I detach partition metering.%I', drop_partition.table_name, child);
        execute format('drop table metering.%I', child);
        outcome := 'dropped';
        return;
      exception when lock_not_available then
        if try = tries then
          raise;
        end if;
      end;
      perform pg_sleep(seconds_between);
    end loop;
  exception when lock_not_available then
    -- A session that holds the table holds its other months too.
    outcome := case when is_table_locked then 'month_busy' else 'busy' end;
    dropped_rows := 0;
  end;
end
$$;

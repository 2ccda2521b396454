-- Why: what is older than anybody asks for is dropped by the month, never deleted row by row. Attempts become monthly
-- partitions for that, as readings and entries are. A ledger keeps what was dropped, so that the sums still add up, and so
-- that a dropped month is never opened again: its readings would be billed twice.
-- Locks: delivery_attempts, while its rows are copied once.

create table metering.dropped_partitions (
  table_name text not null,
  month timestamptz not null,
  dropped_rows bigint not null,
  dropped_at timestamptz not null default now(),
  primary key (table_name, month)
);
comment on table metering.dropped_partitions is 'months that retention has dropped; none of them is ever opened again';

create table metering.dropped_usage (
  organization_id uuid not null,
  table_name text not null check (table_name in ('readings', 'meter_outbox')),
  month timestamptz not null,
  meter text not null,
  dropped_rows bigint not null,
  quantity bigint not null,
  primary key (organization_id, table_name, month, meter)
);
comment on table metering.dropped_usage is
  'what each dropped partition held of each organization: readings and what they count, or entries and their quantity';

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

-- The name of a table's partition for the UTC month that begins at `month`; raises when there can be none.
create function metering.partition_name(table_name text, month timestamptz) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
begin
  if partition_name.table_name is null
    or partition_name.table_name not in ('readings', 'meter_outbox', 'delivery_attempts')
  then
    raise exception 'there is no partitioned table %', quote_nullable(partition_name.table_name)
      using errcode = 'invalid_parameter_value';
  end if;
  if partition_name.month is null
    or partition_name.month not between timestamptz '2000-01-01' and timestamptz '2099-12-01'
    or partition_name.month <> date_trunc('month', partition_name.month)
  then
    raise exception '% does not begin a UTC month of 2000 to 2099', quote_nullable(partition_name.month)
      using errcode = 'invalid_parameter_value';
  end if;
  return partition_name.table_name || to_char(partition_name.month, '_YYYY_MM');
end
$$;
revoke execute on function metering.partition_name from public;

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
comment on function metering.create_partition is
  'makes the partition of a partitioned table for one UTC month with its owner''s rights; null when it was there';

-- A reading of a dropped month finds no partition of its own. Nobody can tell whether it was billed before.
create function metering.refuse_dropped_month() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select from metering.dropped_partitions d
    where d.table_name = 'readings' and d.month = date_trunc('month', new.recorded_at, 'UTC')
  ) then
    raise exception 'a reading at % may have been billed before: its month was dropped by retention', new.recorded_at
      using errcode = 'object_not_in_prerequisite_state',
        hint = 'READINGS_MAX_AGE_DAYS of the API must not be greater than READINGS_RETENTION_DAYS of the worker.';
  end if;
  return new;
end
$$;
revoke execute on function metering.refuse_dropped_month from public;
create trigger reading_not_dropped before insert on metering.readings_default
  for each row execute function metering.refuse_dropped_month();

-- What keeps a month from being dropped: entries that no meter event carries yet, and meter events that are not final.
-- Delivered, confirmed, superseded and expired are final: nothing moves them on. A rejected or doubtful event still waits
-- for a person, who will want to see what stands behind it.
create function metering.count_what_keeps(table_name text, month timestamptz, out unsealed bigint, out open_events bigint)
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  child constant text := metering.partition_name(count_what_keeps.table_name, count_what_keeps.month);
  until constant timestamptz := count_what_keeps.month + interval '1 month';
begin
  case count_what_keeps.table_name
  when 'meter_outbox' then
    execute format('select count(*) from metering.%I where meter_event_id is null', child) into unsealed;
    -- An event lies in the hour of all its entries. Two reads, each by the partial index of its states.
    select count(*) into open_events
    from (
      select hour from metering.meter_events where state = 'pending'
      union all
      select hour from metering.meter_events where state in ('in_doubt', 'rejected')
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
        select from metering.%I a where a.organization_id = e.organization_id and a.meter_event_id = e.id
      )
    $q$, child) into open_events;
  when 'readings' then
    -- From the few that are open to their readings, whenever they were taken in; what replaces an event in doubt counts
    -- the entries of the first.
    execute format($q$
      with recursive open_event as (
        select organization_id, id, replaces_id from metering.meter_events where state = 'pending'
        union all
        select organization_id, id, replaces_id from metering.meter_events
        where state in ('in_doubt', 'rejected')
      ),
      chain as (
        select organization_id, id as open_id, id, replaces_id from open_event
        union all
        select e.organization_id, c.open_id, e.id, e.replaces_id
        from chain c
        join metering.meter_events e on e.organization_id = c.organization_id and e.id = c.replaces_id
      ),
      open_entry as (
        select organization_id, id, null::uuid as open_id from metering.meter_outbox where meter_event_id is null
        union all
        select e.organization_id, e.id, c.open_id
        from chain c
        join metering.meter_outbox e on e.organization_id = c.organization_id and e.meter_event_id = c.id
      )
      select count(*) filter (where o.open_id is null), count(distinct o.open_id)
      from open_entry o
      where exists (
        select from metering.%I r where r.organization_id = o.organization_id and r.entry_id = o.id
      )
    $q$, child) into unsealed, open_events;
  end case;
end
$$;
revoke execute on function metering.count_what_keeps from public;

-- Drops the partition of a table for the UTC month that begins at `month`, and writes down what it held. `outcome` is
-- dropped; kept, with what keeps it; written, when that was less than an hour ago; busy, when the table cannot be had for
-- a moment; or absent.
-- Refuses what ended less than 70 days ago, whatever the caller was told: Stripe takes usage of the last 35 days.
--
-- Detaching needs the table to itself. Nobody is made to wait for that longer than lock_timeout: what cannot be had at
-- once is tried again a little later, and then left to another day. All that takes long happens before. Detaching and
-- dropping commit together, so that no crash leaves half of it; the files go after the locks.
create function metering.drop_partition(
  table_name text, month timestamptz,
  out outcome text, out dropped_rows bigint, out unsealed bigint, out open_events bigint
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '200ms'
as $$
declare
  age_min constant interval := interval '70 days';
  -- Longer than any transaction of intake or seal. What was written since may not be in the sums yet.
  quiet_for constant interval := interval '1 hour';
  tries constant integer := 3;
  seconds_between constant double precision := 1;
  child constant text := metering.partition_name(drop_partition.table_name, drop_partition.month);
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
        execute format('lock table only metering.%I in access exclusive mode', drop_partition.table_name);
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
    outcome := 'busy';
    dropped_rows := 0;
  end;
end
$$;
comment on function metering.drop_partition is
  'drops the partition of a partitioned table for one UTC month with its owner''s rights, when all in it is final';
revoke execute on function metering.drop_partition from public;

-- Whether a month may have been written to since then, by the indexes alone: entry and meter event ids hold their time.
create function metering.is_written(table_name text, month timestamptz, since timestamptz) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  child constant text := metering.partition_name(is_written.table_name, is_written.month);
  first_id constant uuid := metering.uuid_v7(is_written.since);
  answer boolean;
begin
  case is_written.table_name
  when 'readings' then
    execute format('select exists (select from metering.%I where entry_id > $1)', child)
      into answer using first_id;
  when 'meter_outbox' then
    -- A new entry is unsealed, or in a new meter event.
    execute format('select exists (select from metering.%I where meter_event_id is null)', child) into answer;
    answer := answer or exists (
      select from metering.meter_events e
      where e.id > first_id
        and e.hour >= is_written.month and e.hour < is_written.month + interval '1 month'
    );
  when 'delivery_attempts' then
    -- An attempt is settled within minutes of its start.
    answer := false;
  end case;
  return answer;
end
$$;
revoke execute on function metering.is_written from public;

-- Writes into the ledger what a partition holds, and returns its number of rows.
create function metering.write_down(table_name text, month timestamptz) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  child constant text := metering.partition_name(write_down.table_name, write_down.month);
  counted bigint;
begin
  case write_down.table_name
  when 'delivery_attempts' then
    execute format('select count(*) from metering.%I', child) into counted;
  when 'readings' then
    execute format($q$
      insert into metering.dropped_usage (organization_id, table_name, month, meter, dropped_rows, quantity)
      select organization_id, 'readings', $1, 'temperature_readings', count(*), count(*)
      from metering.%I
      group by organization_id
    $q$, child) using write_down.month;
  when 'meter_outbox' then
    execute format($q$
      insert into metering.dropped_usage (organization_id, table_name, month, meter, dropped_rows, quantity)
      select organization_id, 'meter_outbox', $1, meter, count(*), sum(quantity)
      from metering.%I
      group by organization_id, meter
    $q$, child) using write_down.month;
  end case;
  if counted is null then
    select coalesce(sum(d.dropped_rows), 0) into counted
    from metering.dropped_usage d
    where d.table_name = write_down.table_name and d.month = write_down.month;
  end if;
  insert into metering.dropped_partitions (table_name, month, dropped_rows)
  values (write_down.table_name, write_down.month, counted);
  return counted;
end
$$;
revoke execute on function metering.write_down from public;

-- Attempts, by the month in which they started.
alter table metering.delivery_attempts rename to delivery_attempts_unpartitioned;
alter index metering.delivery_attempts_pkey rename to delivery_attempts_unpartitioned_pkey;
create table metering.delivery_attempts (
  organization_id uuid not null,
  meter_event_id uuid not null,
  attempt integer not null check (attempt > 0),
  started_at timestamptz not null,
  duration_ms integer not null check (duration_ms >= 0),
  verdict text not null,
  http_status integer,
  code text,
  message text,
  stripe_request_id text,
  primary key (organization_id, meter_event_id, attempt, started_at)
) partition by range (started_at);
comment on table metering.delivery_attempts is
  'append-only; an attempt whose process died leaves a gap in the numbers; that none is settled twice is the fence''s doing';
create trigger delivery_attempt_immutable before update on metering.delivery_attempts
  for each row execute function metering.refuse_change();
create table metering.delivery_attempts_default partition of metering.delivery_attempts default;
select metering.create_partition('delivery_attempts', months.month)
from (
  select distinct date_trunc('month', started_at, 'UTC') as month from metering.delivery_attempts_unpartitioned
) months;
insert into metering.delivery_attempts (
  organization_id, meter_event_id, attempt, started_at, duration_ms, verdict, http_status, code, message,
  stripe_request_id
)
select
  organization_id, meter_event_id, attempt, started_at, duration_ms, verdict, http_status, code, message,
  stripe_request_id
from metering.delivery_attempts_unpartitioned;

-- Workers of the version before go on writing attempts, before scripts/roles.sql is run again.
do $grants$
declare
  granted record;
begin
  for granted in
    select a.privilege_type, pg_get_userbyid(a.grantee) as role
    from pg_class c, aclexplode(c.relacl) a
    where c.oid = 'metering.delivery_attempts_unpartitioned'::regclass and a.grantee not in (0, c.relowner)
  loop
    execute format('grant %s on metering.delivery_attempts to %I', granted.privilege_type, granted.role);
  end loop;
end
$grants$;

drop table metering.delivery_attempts_unpartitioned;

-- Why: a statement tells how many readings were stored in its period, counted from the readings themselves, so that they can
-- be held against the entries and the bill. Each time it read all of them: 7 million for the year of the largest
-- organization of the bench `year`. Readings are never changed, and are deleted by whole months only, so those of an hour
-- that is over are counted once. `count_readings` does it hour by hour, from the oldest on; what it has not reached is
-- counted by the reader as before.
-- Locks: nothing that exists before; usage_progress for a moment (columns without a default).

create table metering.reading_counts (
  organization_id uuid not null,
  hour timestamptz not null check (isfinite(hour)),
  readings bigint not null,
  primary key (organization_id, hour) include (readings)
);
comment on table metering.reading_counts is
  'how many readings were stored in each UTC hour, by the time in the id of their entry, from usage_progress.readings_from to readings_until; of months that retention has dropped, too';

alter table metering.usage_progress
  add column readings_from timestamptz check (isfinite(readings_from)),
  add column readings_until timestamptz check (isfinite(readings_until)),
  add check ((readings_from is null) = (readings_until is null));
comment on table metering.usage_progress is 'one row: how far usage_sums and reading_counts go';

-- Counts the readings of the next hour that is over for an hour and more. Returns false where there is none. The hour is that
-- of the entry, whose id holds the moment of its insert, and no transaction that stores readings lasts an hour.
create function metering.count_readings() returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  settled_after constant interval := interval '1 hour';
  progress metering.usage_progress;
  next_hour timestamptz;
  -- The smallest ids of the hour and of the one after it.
  first_id uuid;
  end_id uuid;
begin
  select * into progress from metering.usage_progress for update skip locked;
  -- Another worker is at it.
  if not found then
    return false;
  end if;
  next_hour := progress.readings_until;
  if next_hour is null then
    -- Of organizations with a subscription; a reader counts what is older.
    select date_trunc('hour', min(oldest.occurred_at), 'UTC') into next_hour
    from metering.subscriptions o
    cross join lateral (
      select e.occurred_at
      from metering.meter_outbox e
      where e.organization_id = o.organization_id
      order by e.occurred_at
      limit 1
    ) oldest;
  end if;
  if next_hour is null or next_hour + interval '1 hour' + settled_after > now() then
    return false;
  end if;
  first_id := (lpad(to_hex(extract(epoch from next_hour)::bigint * 1000), 12, '0') || '70000000000000000000')::uuid;
  end_id := (lpad(to_hex((extract(epoch from next_hour)::bigint + 3600) * 1000), 12, '0') || '70000000000000000000')::uuid;
  insert into metering.reading_counts (organization_id, hour, readings)
  select r.organization_id, next_hour, count(*)
  from metering.readings r
  where r.entry_id >= first_id and r.entry_id < end_id
  group by r.organization_id;
  update metering.usage_progress
  set readings_from = coalesce(readings_from, next_hour), readings_until = next_hour + interval '1 hour';
  return true;
end
$$;
comment on function metering.count_readings is
  'counts the readings of the next hour that is over for an hour into reading_counts; returns whether there was one';

revoke execute on function metering.count_readings from public;

-- Why: sensors were counted at full hours and after a checkout only, so a bill knew nothing of what changed in between.
-- What may change a count is noted here by triggers, whoever makes the change, and a worker counts what is noted.
-- Locks: sensors, subscriptions, organizations and sensor_counts, for a moment, while triggers and columns are made.
create table metering.sensor_changes (
  organization_id uuid not null references metering.organizations (id),
  id uuid not null default metering.uuid_v7(clock_timestamp()),
  changed_at timestamptz not null default clock_timestamp(),
  primary key (organization_id, id)
);
comment on table metering.sensor_changes is
  'organizations to be counted soon: the number of active sensors may have changed, or who pays for them';

alter table metering.sensor_counts
  add column counted_at timestamptz,
  add column stripe_customer_id text;
comment on column metering.sensor_counts.counted_at is
  'when the number was last found changed in this hour; null: counted by a version that counted once an hour';
comment on column metering.sensor_counts.stripe_customer_id is 'who was to pay for this count';

create function metering.note_sensor_changes() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' then
    insert into metering.sensor_changes (organization_id)
    select distinct organization_id from new_sensors where deactivated_at is null;
  elsif tg_op = 'DELETE' then
    insert into metering.sensor_changes (organization_id)
    select distinct organization_id from old_sensors where deactivated_at is null;
  else
    insert into metering.sensor_changes (organization_id)
    select organization_id
    from (
      select organization_id, id from new_sensors where deactivated_at is null
      except all
      select organization_id, id from old_sensors where deactivated_at is null
    ) activated
    union
    select organization_id
    from (
      select organization_id, id from old_sensors where deactivated_at is null
      except all
      select organization_id, id from new_sensors where deactivated_at is null
    ) deactivated;
  end if;
  return null;
end
$$;
revoke execute on function metering.note_sensor_changes from public;
create trigger sensors_inserted after insert on metering.sensors
  referencing new table as new_sensors for each statement execute function metering.note_sensor_changes();
create trigger sensors_updated after update on metering.sensors
  referencing old table as old_sensors new table as new_sensors
  for each statement execute function metering.note_sensor_changes();
create trigger sensors_deleted after delete on metering.sensors
  referencing old table as old_sensors for each statement execute function metering.note_sensor_changes();

create function metering.note_link_change() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into metering.sensor_changes (organization_id) values (new.organization_id);
  return null;
end
$$;
revoke execute on function metering.note_link_change from public;
create trigger subscription_inserted after insert on metering.subscriptions
  for each row when (new.stripe_customer_id is not null) execute function metering.note_link_change();
create trigger subscription_changed after update on metering.subscriptions
  for each row when (
    new.stripe_customer_id is not null
    and (old.stripe_customer_id, old.stripe_subscription_id, old.status, old.current_period_start)
      is distinct from (new.stripe_customer_id, new.stripe_subscription_id, new.status, new.current_period_start)
  )
  execute function metering.note_link_change();

create function metering.note_unarchiving() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into metering.sensor_changes (organization_id) values (new.id);
  return null;
end
$$;
revoke execute on function metering.note_unarchiving from public;
create trigger organization_unarchived after update of archived_at on metering.organizations
  for each row when (old.archived_at is not null and new.archived_at is null)
  execute function metering.note_unarchiving();

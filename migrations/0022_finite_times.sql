-- Why: a row at the time -infinity, written past our functions, stopped its organization's billing and failed three
-- routes. And usage is taken up to 33 days, no longer 34: at 34 it expires, so that it had no time to be sent.
-- Locks: each table exclusively, for a moment. No row is read but those of the default partition of the outbox, which is
-- empty. `migrate` reads all rows afterwards, under a lock that stops neither readers nor writers: where some table has
-- rows that break its rule, they stay as they are, and it warns (constraint_not_valid) and goes on. Unsealed entries at
-- no real time are moved to metering.refused_entries, so that they stop nothing; bill them by hand.
create table metering.refused_entries (
  organization_id uuid not null,
  occurred_at timestamptz not null,
  id uuid not null,
  meter text not null,
  quantity bigint not null,
  refused_at timestamptz not null default now()
);
comment on table metering.refused_entries is
  'entries at no real time, found by migration 0022: nothing bills them; to do so, call record_usage with their real time';

do $$
begin
  -- Only there can such rows be: no month holds them.
  if exists (select from metering.meter_outbox_default where not isfinite(occurred_at) and meter_event_id is null) then
    alter table metering.meter_outbox_default disable trigger entry_not_deleted;
    with refused as (
      delete from metering.meter_outbox_default
      where not isfinite(occurred_at) and meter_event_id is null
      returning organization_id, occurred_at, id, meter, quantity
    )
    insert into metering.refused_entries (organization_id, occurred_at, id, meter, quantity)
    select organization_id, occurred_at, id, meter, quantity from refused;
    alter table metering.meter_outbox_default enable trigger entry_not_deleted;
  end if;
end
$$;

alter table metering.meter_outbox add constraint meter_outbox_finite check (isfinite(occurred_at)) not valid;
-- NaN is greater than all numbers.
alter table metering.readings add constraint readings_finite
  check (isfinite(recorded_at) and temperature > '-Infinity' and temperature < 'Infinity') not valid;
alter table metering.meter_events add constraint meter_events_finite
  check (
    isfinite(hour) and isfinite(event_at) and isfinite(sealed_at) and isfinite(first_attempt_at)
    and isfinite(last_attempt_at) and isfinite(first_unknown_at) and isfinite(delivered_at)
    and isfinite(resolved_at) and isfinite(reconcile_since)
  ) not valid;
alter table metering.delivery_attempts add constraint delivery_attempts_finite check (isfinite(started_at)) not valid;
alter table metering.sensor_counts add constraint sensor_counts_finite check (isfinite(hour)) not valid;
alter table metering.usage_keys add constraint usage_keys_finite check (isfinite(recorded_at)) not valid;
alter table metering.customer_links add constraint customer_links_finite
  check (isfinite(linked_at) and isfinite(ended_at) and isfinite(customer_deleted_at)) not valid;
alter table metering.subscriptions add constraint subscriptions_finite
  check (
    isfinite(current_period_start) and isfinite(current_period_end) and isfinite(updated_at) and isfinite(read_began_at)
  ) not valid;
alter table metering.stripe_events add constraint stripe_events_finite
  check (isfinite(received_at) and isfinite(handled_at)) not valid;
alter table metering.sensors add constraint sensors_finite
  check (isfinite(registered_at) and isfinite(deactivated_at)) not valid;
alter table metering.organizations add constraint organizations_finite check (isfinite(created_at)) not valid;
alter table metering.api_keys add constraint api_keys_finite
  check (isfinite(created_at) and isfinite(last_used_at) and isfinite(revoked_at)) not valid;
alter table metering.dropped_usage add constraint dropped_usage_finite check (isfinite(month)) not valid;
alter table metering.dropped_partitions add constraint dropped_partitions_finite
  check (isfinite(month) and isfinite(dropped_at)) not valid;

-- The same as before but for the age. Whoever may call it still may.
create or replace function metering.record_usage(
  organization_id uuid,
  meter text,
  quantity bigint,
  occurred_at timestamptz default now(),
  idempotency_key text default null
) returns uuid
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  -- Stripe takes usage of the last 35 days, and at most 5 minutes ahead. At 34 days it expires; the day before that is
  -- left for its delivery.
  age_max constant interval := interval '33 days';
  ahead_max constant interval := interval '5 minutes';
  quantity_max constant bigint := 999999999999;
  -- An entry's id holds its time, to the millisecond.
  entry_at constant timestamptz := date_trunc('milliseconds', record_usage.occurred_at);
  entry_id uuid;
  known metering.usage_keys;
begin
  if num_nulls(record_usage.organization_id, record_usage.meter, record_usage.quantity, entry_at) > 0 then
    raise exception 'organization_id, meter, quantity and occurred_at must not be null'
      using errcode = 'null_value_not_allowed';
  end if;
  if not isfinite(entry_at) then
    raise exception 'usage happens at some time, not at %', entry_at using errcode = 'datetime_field_overflow';
  end if;
  if length(record_usage.idempotency_key) not between 1 and 255 then
    raise exception 'an idempotency key has 1 to 255 characters' using errcode = 'invalid_parameter_value';
  end if;
  entry_id := metering.uuid_v7(entry_at);

  if record_usage.idempotency_key is not null then
    -- Waits for a transaction that has just used the same key, until it is known whether it commits.
    insert into metering.usage_keys (organization_id, idempotency_key, entry_id, meter, quantity)
    values (
      record_usage.organization_id, record_usage.idempotency_key, entry_id, record_usage.meter, record_usage.quantity
    )
    on conflict do nothing;
    if not found then
      select k.* into known
      from metering.usage_keys k
      where k.organization_id = record_usage.organization_id and k.idempotency_key = record_usage.idempotency_key;
      if not found then
        raise exception 'idempotency key % was deleted meanwhile', quote_literal(record_usage.idempotency_key)
          using errcode = 'serialization_failure';
      end if;
      if known.meter <> record_usage.meter or known.quantity <> record_usage.quantity then
        raise exception 'idempotency key % was used for other usage', quote_literal(record_usage.idempotency_key)
          using errcode = 'integrity_constraint_violation',
            detail = format('It recorded %s of %s, not %s of %s.',
              known.quantity, known.meter, record_usage.quantity, record_usage.meter);
      end if;
      return known.entry_id;
    end if;
  end if;

  if not exists (select from metering.organizations o where o.id = record_usage.organization_id) then
    raise exception 'there is no organization %', record_usage.organization_id
      using errcode = 'foreign_key_violation';
  end if;
  if not exists (select from metering.meters m where m.name = record_usage.meter) then
    raise exception 'there is no meter %', quote_literal(record_usage.meter)
      using errcode = 'invalid_parameter_value',
        hint = (select format('Meters are %s.', string_agg(m.name, ', ' order by m.name)) from metering.meters m);
  end if;
  if record_usage.quantity not between 0 and quantity_max then
    raise exception 'a quantity of % is not between 0 and %', record_usage.quantity, quantity_max
      using errcode = 'numeric_value_out_of_range';
  end if;
  if entry_at < now() - age_max or entry_at > clock_timestamp() + ahead_max then
    raise exception 'usage at % is more than 33 days ago or 5 minutes ahead', entry_at
      using errcode = 'datetime_field_overflow';
  end if;

  insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
  values (record_usage.organization_id, entry_at, entry_id, record_usage.meter, record_usage.quantity);
  return entry_id;
end
$$;

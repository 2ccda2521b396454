-- Why: usage at a time of which no id can be made, after the year 73,000, was refused as a quantity that is too great (22003).
-- It is refused as each other time that is too far ahead now (22008).
-- Locks: nothing; one function.

create or replace function metering.record_usage(organization_id uuid, meter text, quantity bigint, occurred_at timestamp with time zone DEFAULT now(), idempotency_key text DEFAULT NULL::text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  -- Stripe takes usage of the last 35 days, and at most 5 minutes ahead. At 34 days it expires; the day before that is
  -- left for its delivery.
  age_max constant interval := interval '33 days';
  ahead_max constant interval := interval '5 minutes';
  -- No id can be made of a time that is much later.
  id_ahead_max constant interval := interval '1000 years';
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
  if entry_at > clock_timestamp() + id_ahead_max then
    raise exception 'usage at % is more than 33 days ago or 5 minutes ahead', entry_at
      using errcode = 'datetime_field_overflow';
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

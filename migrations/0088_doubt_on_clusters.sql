-- Why: a cluster refused these functions: they lock rows of several nodes, and call the clock and chance in updates. Now
-- times and ids are values before the update, and the update asks again for the state that its verdict was about, so that
-- of several callers one moves an event. Retries go one after another: two of them that update the same events in
-- opposite orders would end in a deadlock.
-- Locks: nothing.

create or replace function metering.retry_rejected_events(only_ids uuid[]) RETURNS TABLE(organization_id uuid, id uuid, meter text, stripe_customer_id text, state text, deliver_id uuid, ahead integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  retried_max constant integer := 10000;
  -- Stripe remembers an identifier for at least 24 hours; an hour is kept in hand.
  identifier_safe constant interval := interval '23 hours';
  -- Reasons of events whose identifier Stripe never took. All others are those of Stripe's error reports.
  untaken_reasons constant text[] := array['refused_by_stripe', 'crashes_worker', 'customer_deleted'];
  called_at constant timestamptz := now();
begin
  perform pg_advisory_xact_lock(hashtext('metering.retry_rejected'));
  return query
  with chosen as materialized (
    select m.organization_id, m.id, m.reason, m.attempts_started, m.first_unknown_at, m.last_attempt_at
    from metering.meter_events m
    where m.state = 'rejected' and m.id = any (only_ids)
    order by m.id
    limit retried_max
  ),
  judged as materialized (
    select
      c.organization_id, c.id, c.reason, c.attempts_started, c.first_unknown_at, c.last_attempt_at,
      metering.uuid_v7(clock_timestamp()) as new_id,
      row_number() over (partition by c.organization_id order by c.id) - 1 as ahead,
      case
        when c.reason <> all (untaken_reasons) then
          case when c.first_unknown_at < c.last_attempt_at then 'in_doubt' else 'superseded' end
        when c.first_unknown_at <= called_at - identifier_safe then 'in_doubt'
        else 'pending'
      end as next_state
    from chosen c
    order by c.id
  ),
  moved as (
    update metering.meter_events m
    set
      state = j.next_state,
      reason = case
        when m.reason <> all (untaken_reasons) and j.next_state = 'in_doubt' then 'earlier_attempt_unknown'
        else 'retried_by_operator'
      end,
      attempts_finished = m.attempts_started,
      reconcile_since = null,
      replaced_by_id = case when j.next_state = 'superseded' then j.new_id end
    from judged j
    where m.organization_id = j.organization_id and m.id = j.id
      -- Another caller may have moved it since, or a report of Stripe's told of it.
      and m.state = 'rejected' and m.reason is not distinct from j.reason and m.attempts_started = j.attempts_started
      and m.first_unknown_at is not distinct from j.first_unknown_at
      and m.last_attempt_at is not distinct from j.last_attempt_at
    returning
      m.organization_id, m.id, m.meter, m.hour, m.quantity, m.event_at, m.entries, m.stripe_customer_id, m.counted_before,
      m.state, m.replaced_by_id, j.ahead
  ),
  replacements as (
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, counted_before
    )
    select
      v.organization_id, v.replaced_by_id, v.meter, v.hour, v.quantity, v.event_at, v.entries, v.stripe_customer_id, v.id,
      v.counted_before
    from moved v
    where v.state = 'superseded'
    returning id
  )
  select
    v.organization_id, v.id, v.meter, v.stripe_customer_id, v.state,
    case v.state when 'pending' then v.id when 'superseded' then r.id end,
    case v.state when 'superseded' then 0 else v.ahead end::integer
  from moved v
  left join replacements r on r.id = v.replaced_by_id;
end
$$;

create or replace function metering.resolve_in_doubt(event_id uuid, resolution text, resolved_because text) RETURNS TABLE(organization_id uuid, meter text, stripe_customer_id text, state text, replaced_by uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  called_at constant timestamptz := now();
  found_event metering.meter_events;
  next_state text;
  new_id uuid;
  look_id uuid;
  -- Stripe refuses usage older than 35 days; a day is kept in hand.
  event_age_max constant interval := interval '34 days';
begin
  if resolution is null or resolution not in ('delivered', 'not_delivered') then
    raise exception 'a meter event is resolved as delivered or not_delivered, not as %', resolution
      using errcode = 'invalid_parameter_value';
  end if;
  if resolved_because is null or length(resolved_because) not between 1 and 500 then
    raise exception 'the reason of a resolution has 1 to 500 characters' using errcode = 'invalid_parameter_value';
  end if;
  select m.* into found_event from metering.meter_events m where m.id = event_id and m.state = 'in_doubt';
  if found_event.id is null then
    return;
  end if;
  next_state := case
    when resolution = 'delivered' then 'delivered'
    when found_event.event_at <= called_at - event_age_max then 'expired'
    else 'superseded'
  end;
  new_id := case when next_state = 'superseded' then metering.uuid_v7(clock_timestamp()) end;
  select r.id into look_id
  from metering.reconciliations r
  where r.organization_id = found_event.organization_id and r.meter = found_event.meter
    and r.stripe_customer_id = found_event.stripe_customer_id
    and r.window_end > found_event.event_at and r.window_start <= found_event.event_at
  order by r.read_at desc, r.window_end - r.window_start
  limit 1;
  update metering.meter_events m
  set
    state = next_state,
    reason = 'resolved_' || resolution,
    resolved_at = called_at,
    resolution_reason = resolved_because,
    evidence_id = look_id,
    reconcile_since = null,
    delivered_at = case when resolution = 'delivered' then called_at end,
    replaced_by_id = new_id
  where m.organization_id = found_event.organization_id and m.id = event_id and m.state = 'in_doubt';
  -- Another caller has resolved it since.
  if not found then
    return;
  end if;
  if next_state = 'superseded' then
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, counted_before
    )
    values (
      found_event.organization_id, new_id, found_event.meter, found_event.hour, found_event.quantity, found_event.event_at,
      found_event.entries, found_event.stripe_customer_id, event_id, found_event.counted_before
    );
  end if;
  return query select found_event.organization_id, found_event.meter, found_event.stripe_customer_id, next_state, new_id;
end
$$;

create or replace function metering.settle_doubt(of_organization_id uuid, event_ids uuid[], verdict text, missing bigint, by_evidence_id uuid) RETURNS TABLE(organization_id uuid, id uuid, meter text, stripe_customer_id text, state text, deliver_id uuid, quantity bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  called_at constant timestamptz := now();
  -- Stripe refuses usage older than 35 days; a day is kept in hand.
  event_age_max constant interval := interval '34 days';
  part record;
  part_id uuid;
  -- Where its usage is to be sent now, and once.
  part_deliver_id uuid;
  part_first_id uuid;
  settled_count integer;
begin
  if verdict is null or verdict not in ('all', 'none', 'part', 'overtaken') then
    raise exception 'doubt is settled as all, none, part or overtaken, not as %', verdict
      using errcode = 'invalid_parameter_value';
  end if;
  if verdict <> 'overtaken' and not exists (
    select from metering.reconciliations e where e.organization_id = of_organization_id and e.id = by_evidence_id
  ) then
    raise exception 'doubt is settled by a look at Stripe''s sum' using errcode = 'invalid_parameter_value';
  end if;
  if verdict = 'part' then
    select
      count(distinct (m.meter, m.hour, m.stripe_customer_id)) as kinds, min(m.meter) as meter, min(m.hour) as hour,
      min(m.stripe_customer_id) as stripe_customer_id, max(m.event_at) as event_at, sum(m.entries)::integer as entries,
      sum(m.quantity + m.counted_before) as total, sum(m.quantity) as doubted,
      (array_agg(m.id order by m.id))[1] as first_id,
      (array_agg(m.reported_code order by m.reconcile_since) filter (where m.reconcile_since is not null))[1] as code,
      (array_agg(m.reported_message order by m.reconcile_since) filter (where m.reconcile_since is not null))[1] as message,
      count(m.reconcile_since) as reported
    into part
    from metering.meter_events m
    where m.organization_id = of_organization_id and m.id = any(event_ids);
    if part.kinds <> 1 or missing is null or missing <= 0 or missing >= part.doubted then
      raise exception 'no part of one hour''s usage is missing' using errcode = 'invalid_parameter_value';
    end if;
    part_id := metering.uuid_v7(clock_timestamp());
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, counted_before,
      state, reason, last_error, evidence_id
    )
    values (
      of_organization_id, part_id, part.meter, part.hour, missing, part.event_at, part.entries,
      part.stripe_customer_id, part.first_id, part.total - missing,
      case
        when part.reported > 0 then 'rejected'
        when part.event_at <= called_at - event_age_max then 'expired'
        else 'pending'
      end,
      case
        when part.reported > 0 then coalesce(part.code, 'reported_by_stripe')
        when part.event_at <= called_at - event_age_max then 'absent_from_sum'
      end,
      case when part.reported > 0 then part.message end,
      by_evidence_id
    );
    part_first_id := part.first_id;
    if part.reported = 0 and part.event_at > called_at - event_age_max then
      part_deliver_id := part_id;
    end if;
  end if;

  return query
  with doubted as materialized (
    select
      m.*, metering.uuid_v7(clock_timestamp()) as new_id,
      case
        when verdict = 'all' then 'delivered'
        when verdict in ('part', 'overtaken') then 'superseded'
        when m.reconcile_since is not null then 'rejected'
        when m.event_at <= called_at - event_age_max then 'expired'
        else 'superseded'
      end as next_state
    from metering.meter_events m
    where m.organization_id = of_organization_id and m.id = any(event_ids)
      and (m.state = 'in_doubt' or m.state = 'delivered' and m.reconcile_since is not null)
  ),
  settled as (
    update metering.meter_events m
    set
      state = d.next_state,
      reason = case
        when verdict = 'all' then 'found_in_sum'
        when verdict = 'part' then 'partly_in_sum'
        when verdict = 'overtaken' then 'newer_value'
        when d.next_state = 'rejected' then coalesce(d.reported_code, 'reported_by_stripe')
        else 'absent_from_sum'
      end,
      last_error = case when d.next_state = 'rejected' then coalesce(d.reported_message, m.last_error) else m.last_error end,
      delivered_at = case when verdict = 'all' then coalesce(m.delivered_at, called_at) else m.delivered_at end,
      -- The sum has told of every attempt, so that none is unknown any more.
      first_unknown_at = case when d.next_state = 'rejected' then null else m.first_unknown_at end,
      reconcile_since = null,
      resolved_at = called_at,
      evidence_id = by_evidence_id,
      replaced_by_id = case
        when verdict = 'part' then part_id
        when verdict = 'none' and d.next_state = 'superseded' then d.new_id
      end
    from doubted d
    -- Named, so that a cluster updates its shard alone, by the connection that holds the caller's locks.
    where m.organization_id = of_organization_id and m.organization_id = d.organization_id and m.id = d.id
      -- Another caller may have ended its doubt since.
      and (m.state = 'in_doubt' or m.state = 'delivered' and m.reconcile_since is not null)
      and (m.reconcile_since is null) = (d.reconcile_since is null)
    returning m.*
  ),
  replacements as (
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, counted_before
    )
    select
      s.organization_id, s.replaced_by_id, s.meter, s.hour, s.quantity, s.event_at, s.entries, s.stripe_customer_id, s.id,
      s.counted_before
    from settled s
    where verdict = 'none' and s.replaced_by_id is not null
    returning id
  )
  select
    s.organization_id, s.id, s.meter, s.stripe_customer_id, s.state,
    case when verdict = 'none' then s.replaced_by_id when s.id = part_first_id then part_deliver_id end,
    s.quantity
  from settled s
  left join replacements r on r.id = s.replaced_by_id
  order by s.id;
  get diagnostics settled_count = row_count;
  if settled_count <> cardinality(event_ids) then
    raise exception 'of % events in doubt only % still are', cardinality(event_ids), settled_count
      using errcode = 'restrict_violation';
  end if;
end
$$;

create or replace function metering.retry_rejected(only_id uuid, only_meter text, only_organization_id uuid) RETURNS TABLE(organization_id uuid, id uuid, meter text, stripe_customer_id text, state text, deliver_id uuid, ahead integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  chosen uuid[];
begin
  select array(
    select m.id
    from metering.meter_events m
    where m.state = 'rejected'
      and (only_id is null or m.id = only_id)
      and (only_meter is null or m.meter = only_meter)
      and (only_organization_id is null or m.organization_id = only_organization_id)
    order by m.id
    limit 10000
  ) into chosen;
  return query select * from metering.retry_rejected_events(chosen);
end
$$;

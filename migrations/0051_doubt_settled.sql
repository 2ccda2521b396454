-- Why: an event in doubt waited for a person. Stripe's own sum of its window says what Stripe has of it (src/reconciliation):
-- all, nothing, or a part, and then one event sends what is missing of several. So an event that is replaced names the one
-- that replaces it, many of them the same one, and there is one walk along these names for all who ask. An event keeps which
-- look at Stripe's sum decided about it, and what Stripe's report said where it named only samples.
-- Locks: meter_events exclusively, for a moment (columns without a default), then against writes while an index is built
-- that holds replaced events only: one read of the table. Replaced events, which are few, are updated.

alter table metering.meter_events
  add column evidence_id uuid,
  add column reported_code text,
  add column reported_message text;
comment on column metering.meter_events.replaced_by_id is
  'of a superseded event: the one that sends its usage, or what was missing of it, again; several may name the same one';
comment on column metering.meter_events.replaces_id is
  'of an event that sends usage again: the one that it replaces, or the first of several; the entries stay with them';
comment on column metering.meter_events.evidence_id is
  'the look at Stripe''s sum (reconciliations) that the end of its doubt goes by';
comment on column metering.meter_events.reconcile_since is
  'since when it is in doubt because Stripe reported failures without naming each; null again when a sum has told';
comment on column metering.meter_events.reported_code is
  'Stripe''s reason for the failures that may be this event''s, which its report did not name';

update metering.meter_events o
set replaced_by_id = r.id
from metering.meter_events r
where r.replaces_id is not null and o.organization_id = r.organization_id and o.id = r.replaces_id;

create index meter_events_replaced on metering.meter_events (organization_id, replaced_by_id)
  where replaced_by_id is not null;
-- Nothing walks from a replaced event by the names in replaces_id any more.
drop index metering.meter_events_replacements;
-- What a report of Stripe's put in doubt.
create index meter_events_reported on metering.meter_events (organization_id, meter, event_at)
  where reconcile_since is not null;

-- An event and what replaced it, one after the other; the one that nothing replaces stands for it now. What Stripe counted
-- of the replaced ones is its counted_before. Not strict, so that it becomes a part of the statement that asks.
create function metering.versions_of(of_organization_id uuid, of_id uuid)
returns table (id uuid, state text, quantity bigint, counted_before numeric, replaced_by_id uuid)
language sql stable
as $$
  with recursive versions as (
    select m.organization_id, m.id, m.state, m.quantity, m.counted_before, m.replaced_by_id
    from metering.meter_events m
    where m.organization_id = of_organization_id and m.id = of_id
    union all
    select r.organization_id, r.id, r.state, r.quantity, r.counted_before, r.replaced_by_id
    from versions v
    join metering.meter_events r on r.organization_id = v.organization_id and r.id = v.replaced_by_id
  )
  select v.id, v.state, v.quantity, v.counted_before, v.replaced_by_id from versions v
$$;
comment on function metering.versions_of is
  'a meter event and those that replaced it; the one with replaced_by_id null stands for it now';

-- The events that the seal stamped entries with: the event itself or, where it replaces others, the first of each road.
create function metering.sealed_versions(of_organization_id uuid, of_id uuid)
returns table (id uuid)
language sql stable
as $$
  with recursive versions as (
    select m.organization_id, m.id, m.replaces_id
    from metering.meter_events m
    where m.organization_id = of_organization_id and m.id = of_id
    union all
    select o.organization_id, o.id, o.replaces_id
    from versions v
    join metering.meter_events o on o.organization_id = v.organization_id and o.replaced_by_id = v.id
  )
  select v.id from versions v where v.replaces_id is null
$$;
comment on function metering.sealed_versions is 'the meter events whose entries this one stands for: itself, or those it replaces from the first';

-- Beside the roads of before: what Stripe took and did not name may turn out not to be in its sum, or only in part, or may
-- be a gauge value that a newer one has overtaken.
create or replace function metering.guard_meter_event_state() returns trigger
language plpgsql
as $$
begin
  if not (
    old.state = 'pending'
    or old.state = 'in_doubt' and new.state in ('delivered', 'pending', 'superseded', 'rejected', 'expired')
    or old.state = 'delivered' and new.state = 'rejected'
    or old.state = 'delivered' and new.state = 'superseded' and old.reconcile_since is not null
    or old.state = 'rejected' and new.state in ('pending', 'in_doubt', 'superseded', 'expired')
  ) then
    raise exception 'meter event % cannot go from % to %', old.id, old.state, new.state
      using errcode = 'restrict_violation';
  end if;
  return new;
end
$$;

-- Ends the doubt about these events of one window by what Stripe's sum said. The caller holds them locked, has compared
-- them with what was looked at, and makes the jobs of deliver_id in the same transaction.
-- all: they are delivered. none: each is sent again by an event of its own, or is expired where Stripe would refuse its
-- age. part: one event that replaces all of them sends the missing amount. overtaken: gauge values that count no more.
-- Where Stripe reported failures, usage that its sum lacks is rejected with the report's reason in place of being sent.
-- The age limit is that of src/delivery/limits.ts; a test compares them.
create function metering.settle_doubt(
  of_organization_id uuid, event_ids uuid[], verdict text, missing bigint, by_evidence_id uuid
)
returns table (
  organization_id uuid,
  id uuid,
  meter text,
  stripe_customer_id text,
  state text,
  deliver_id uuid,
  quantity bigint
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
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
        when part.event_at <= now() - event_age_max then 'expired'
        else 'pending'
      end,
      case
        when part.reported > 0 then coalesce(part.code, 'reported_by_stripe')
        when part.event_at <= now() - event_age_max then 'absent_from_sum'
      end,
      case when part.reported > 0 then part.message end,
      by_evidence_id
    );
    part_first_id := part.first_id;
    if part.reported = 0 and part.event_at > now() - event_age_max then
      part_deliver_id := part_id;
    end if;
  end if;

  return query
  with doubted as materialized (
    select
      m.*,
      case
        when verdict = 'all' then 'delivered'
        when verdict in ('part', 'overtaken') then 'superseded'
        when m.reconcile_since is not null then 'rejected'
        when m.event_at <= now() - event_age_max then 'expired'
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
      delivered_at = case when verdict = 'all' then coalesce(m.delivered_at, now()) else m.delivered_at end,
      -- The sum has told of every attempt, so that none is unknown any more.
      first_unknown_at = case when d.next_state = 'rejected' then null else m.first_unknown_at end,
      reconcile_since = null,
      resolved_at = now(),
      evidence_id = by_evidence_id,
      replaced_by_id = case
        when verdict = 'part' then part_id
        when verdict = 'none' and d.next_state = 'superseded' then metering.uuid_v7(clock_timestamp())
      end
    from doubted d
    where m.organization_id = d.organization_id and m.id = d.id
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
comment on function metering.settle_doubt is
  'ends the doubt about a window''s events by a look at Stripe''s sum; the caller makes the jobs of deliver_id in the same transaction';
revoke execute on function metering.settle_doubt(uuid, uuid[], text, bigint, uuid) from public;

-- As before; and a replaced event names the one that replaces it, which keeps what Stripe has of it already. What a person
-- sends again is under no report any more: its cause is mended.
create or replace function metering.retry_rejected(only_id uuid, only_meter text, only_organization_id uuid)
returns table (
  organization_id uuid,
  id uuid,
  meter text,
  stripe_customer_id text,
  state text,
  deliver_id uuid,
  ahead integer
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  retried_max constant integer := 10000;
  -- Stripe remembers an identifier for at least 24 hours; an hour is kept in hand.
  identifier_safe constant interval := interval '23 hours';
  -- Reasons of events whose identifier Stripe never took. All others are those of Stripe's error reports.
  untaken_reasons constant text[] := array['refused_by_stripe', 'crashes_worker', 'customer_deleted'];
begin
  return query
  with chosen as materialized (
    select m.organization_id, m.id
    from metering.meter_events m
    where m.state = 'rejected'
      and (only_id is null or m.id = only_id)
      and (only_meter is null or m.meter = only_meter)
      and (only_organization_id is null or m.organization_id = only_organization_id)
    order by m.id
    limit retried_max
    for update
  ),
  turns as (
    select c.organization_id, c.id, row_number() over (partition by c.organization_id order by c.id) - 1 as ahead
    from chosen c
  ),
  judged as materialized (
    select
      m.organization_id, m.id, t.ahead,
      case
        when m.reason <> all (untaken_reasons) then
          case when m.first_unknown_at < m.last_attempt_at then 'in_doubt' else 'superseded' end
        when m.first_unknown_at <= now() - identifier_safe then 'in_doubt'
        else 'pending'
      end as next_state
    from turns t
    join metering.meter_events m on m.organization_id = t.organization_id and m.id = t.id
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
      replaced_by_id = case when j.next_state = 'superseded' then metering.uuid_v7(clock_timestamp()) end
    from judged j
    where m.organization_id = j.organization_id and m.id = j.id
    returning m.*, j.ahead
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

-- As before; and the event keeps the newest look at its window that the person could see.
create or replace function metering.resolve_in_doubt(event_id uuid, resolution text, resolved_because text)
returns table (
  organization_id uuid,
  meter text,
  stripe_customer_id text,
  state text,
  replaced_by uuid
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
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
  return query
  with resolved as (
    update metering.meter_events m
    set
      state = case
        when resolution = 'delivered' then 'delivered'
        when m.event_at <= now() - event_age_max then 'expired'
        else 'superseded'
      end,
      reason = 'resolved_' || resolution,
      resolved_at = now(),
      resolution_reason = resolved_because,
      evidence_id = metering.newest_look(m.organization_id, m.meter, m.stripe_customer_id, m.event_at),
      reconcile_since = null,
      delivered_at = case when resolution = 'delivered' then now() end,
      replaced_by_id = case
        when resolution = 'not_delivered' and m.event_at > now() - event_age_max
          then metering.uuid_v7(clock_timestamp())
      end
    where m.id = event_id and m.state = 'in_doubt'
    returning m.*
  ),
  replacement as (
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, counted_before
    )
    select
      v.organization_id, v.replaced_by_id, v.meter, v.hour, v.quantity, v.event_at, v.entries, v.stripe_customer_id, v.id,
      v.counted_before
    from resolved v
    where v.state = 'superseded'
    returning id
  )
  select v.organization_id, v.meter, v.stripe_customer_id, v.state, r.id
  from resolved v
  left join replacement r on true;
end
$$;

-- The newest look at a window that holds a moment, and the narrowest of one read. Windows are of minutes, days or a period.
create function metering.newest_look(of_organization_id uuid, of_meter text, of_customer_id text, at timestamptz)
returns uuid
language sql stable
as $$
  select r.id
  from metering.reconciliations r
  where r.organization_id = of_organization_id and r.meter = of_meter and r.stripe_customer_id = of_customer_id
    and r.window_end > at and r.window_start <= at
  order by r.read_at desc, r.window_end - r.window_start
  limit 1
$$;
comment on function metering.newest_look is 'the newest look at Stripe''s sum of a window that holds a moment';

-- As before, with the one walk.
create or replace function metering.count_what_keeps(table_name text, month timestamptz, out unsealed bigint, out open_events bigint)
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
    -- From the few that are open to their readings, whenever they were taken in; what replaces others counts the entries
    -- of the first.
    execute format($q$
      with open_event as (
        select organization_id, id from metering.meter_events where state = 'pending'
        union all
        select organization_id, id from metering.meter_events where state in ('in_doubt', 'rejected')
      ),
      open_entry as (
        select organization_id, id, null::uuid as open_id from metering.meter_outbox where meter_event_id is null
        union all
        select e.organization_id, e.id, o.id
        from open_event o
        cross join lateral metering.sealed_versions(o.organization_id, o.id) sealed
        join metering.meter_outbox e on e.organization_id = o.organization_id and e.meter_event_id = sealed.id
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

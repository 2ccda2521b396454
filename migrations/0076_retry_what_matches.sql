-- Why: a retry took an event's id, a meter or an organization, and an operator who had narrowed the list by hours or by
-- Stripe's words could not retry just that. The events are chosen by the statement that lists them now, and come here by
-- their ids; what becomes of each is decided here as before. The function that chose by itself stays for processes of the
-- release before, and goes the same way.
-- Locks: nothing that is read or written; two functions.

create function metering.retry_rejected_events(only_ids uuid[])
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
    where m.state = 'rejected' and m.id = any (only_ids)
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
comment on function metering.retry_rejected_events is
  'gives these rejected meter events another try, 10,000 at most; the caller makes the jobs of deliver_id in the same transaction';
revoke execute on function metering.retry_rejected_events(uuid[]) from public;

create or replace function metering.retry_rejected(only_id uuid, only_meter text, only_organization_id uuid)
returns table (
  organization_id uuid, id uuid, meter text, stripe_customer_id text, state text, deliver_id uuid, ahead integer
)
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  select * from metering.retry_rejected_events(array(
    select m.id
    from metering.meter_events m
    where m.state = 'rejected'
      and (only_id is null or m.id = only_id)
      and (only_meter is null or m.meter = only_meter)
      and (only_organization_id is null or m.organization_id = only_organization_id)
    order by m.id
    limit 10000
  ))
$$;

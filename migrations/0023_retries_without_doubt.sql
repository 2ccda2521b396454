-- Why: a report of Stripe's says that one attempt at an event failed. Where the outcome of an earlier attempt under the same
-- identifier is unknown, that one may have been counted, and sending the usage again under a new identifier billed it
-- twice: such an event goes in doubt instead. And an operator who resumes, or asks for another try, wants it now, while
-- an event's reminder may be put off for up to RETRY_MAX_SECONDS.
-- Locks: nothing; two functions.

-- The limits are those of src/delivery/limits.ts and src/delivery/retry-rejected.ts; a test compares them.
-- Each filter may be null. `deliver_id` is the event that is to be delivered now: the event itself, the one that
-- replaces it, or null when it is in doubt. An attempt that began after the first one of unknown outcome is what the
-- report was about; the first may be another that was counted.
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
  moved as (
    update metering.meter_events m
    set
      state = case
        when m.reason <> all (untaken_reasons) then
          case when m.first_unknown_at < m.last_attempt_at then 'in_doubt' else 'superseded' end
        when m.first_unknown_at <= now() - identifier_safe then 'in_doubt'
        else 'pending'
      end,
      reason = case
        when m.reason <> all (untaken_reasons) and m.first_unknown_at < m.last_attempt_at then 'earlier_attempt_unknown'
        else 'retried_by_operator'
      end,
      attempts_finished = m.attempts_started
    from turns t
    where m.organization_id = t.organization_id and m.id = t.id
    returning m.*, t.ahead
  ),
  replacements as (
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id
    )
    select
      v.organization_id, metering.uuid_v7(clock_timestamp()), v.meter, v.hour, v.quantity, v.event_at, v.entries,
      v.stripe_customer_id, v.id
    from moved v
    where v.state = 'superseded'
    returning organization_id, id, replaces_id
  )
  select
    v.organization_id, v.id, v.meter, v.stripe_customer_id, v.state,
    case v.state when 'pending' then v.id when 'superseded' then r.id end,
    case v.state when 'superseded' then 0 else v.ahead end::integer
  from moved v
  left join replacements r on r.organization_id = v.organization_id and r.replaces_id = v.id;
end
$$;
comment on function metering.retry_rejected is
  'gives rejected meter events another try, 10,000 at most; the caller makes the jobs of deliver_id in the same transaction';

-- The API's role may not change pg-boss's jobs. A reminder that is due early does no harm: what an event may be sent for is
-- decided when its attempt begins.
create function metering.make_deliveries_due(only_ids uuid[]) returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  made_due integer;
begin
  update pgboss.job j
  set start_after = pgboss.job_now()
  where j.name in (select q.name from pgboss.queue q where q.name like 'deliver-%')
    and j.state < 'active'
    and j.policy = 'exclusive'
    and (only_ids is null or coalesce(j.singleton_key, '') in (select one::text from unnest(only_ids) one))
    and j.start_after > pgboss.job_now();
  get diagnostics made_due = row_count;
  return made_due;
end
$$;
comment on function metering.make_deliveries_due is
  'ends the backoff of these meter events'' reminders, or of all with null; returns how many were put off';
revoke execute on function metering.make_deliveries_due(uuid[]) from public;

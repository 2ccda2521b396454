-- Why: a team that bills by another path runs this service beside it, sends nothing, and compares (DELIVERY_TRANSPORT=none).
-- Metrics, alerts and doctor have to know that nothing is sent on purpose: each worker's heartbeat says how it sends. When
-- the team switches over, usage before the cut stays billed elsewhere, what is sealed later included: the cut is a row.
-- Locks: processes exclusively, for a moment.
alter table metering.processes
  add column transport text check (transport in ('sync', 'stream', 'none'));
comment on column metering.processes.transport is
  'DELIVERY_TRANSPORT of a worker; null for an API, and for a worker of a version that did not say it';

create table metering.cut_overs (
  organization_id uuid not null references metering.organizations (id),
  cut_at timestamptz not null check (isfinite(cut_at)),
  set_at timestamptz not null default now() check (isfinite(set_at)),
  primary key (organization_id)
);
comment on table metering.cut_overs is
  'usage of an organization before cut_at was billed by another path and is never sent: its meter events are superseded, reason billed_elsewhere';

-- For an operator, by the command line, with the API's role. It waits for the seal that is running, and the next one sees
-- the cut. A rehearsal tells the same numbers and writes nothing. Without a time it does nothing but to finish an earlier cut.
create function metering.cut_over(
  of_organization uuid, wanted timestamptz, may_move boolean, is_rehearsal boolean, meters text[]
)
returns table (
  outcome text, cut_at timestamptz, meter text, marked bigint, marked_quantity numeric, maybe_counted bigint,
  under_way bigint, unsealed bigint, unsealed_quantity numeric, sent bigint, sent_quantity numeric
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  -- Longer than any attempt: one that is older ended with its worker.
  attempt_max constant interval := interval '15 minutes';
  known timestamptz;
  cut timestamptz;
  done text := 'kept';
begin
  perform pg_advisory_xact_lock(hashtext('metering.seal'));
  select c.cut_at into known from metering.cut_overs c where c.organization_id = of_organization for update;
  cut := known;
  if known is null then
    cut := wanted;
    done := 'cut';
  elsif wanted > known and may_move then
    -- What was sent after the cut cannot be unsent.
    if exists (
      select from metering.meter_events m
      where m.organization_id = of_organization and m.meter = any(meters)
        and m.hour >= date_trunc('hour', known, 'UTC') and m.hour < wanted
        and m.event_at >= known and m.event_at < wanted and m.attempts_started > 0
    ) then
      done := 'sent_since';
    else
      cut := wanted;
      done := 'moved';
    end if;
  end if;
  if cut is null then
    return;
  end if;
  return query
    with open as materialized (
      select m.meter, m.quantity, m.state, m.first_unknown_at,
        m.state = 'pending' and m.attempts_started > m.attempts_finished
          and m.last_attempt_at > now() - attempt_max as is_under_way
      from metering.meter_events m
      where m.organization_id = of_organization and m.meter = any(meters) and m.hour < cut and m.event_at < cut
        and m.state in ('pending', 'in_doubt', 'rejected')
    ),
    -- Of a billing period, as far as one may still count.
    settled as materialized (
      select m.meter, m.quantity
      from metering.meter_events m
      where m.organization_id = of_organization and m.meter = any(meters) and m.state = 'delivered'
        and m.hour >= cut - interval '35 days' and m.hour < cut and m.event_at < cut
    ),
    waiting as materialized (
      select e.meter, e.quantity
      from metering.meter_outbox e
      where e.organization_id = of_organization and e.meter = any(meters) and e.meter_event_id is null
        and e.occurred_at < cut
    )
    select
      done, cut, k.meter,
      (select count(*) from open o where o.meter = k.meter and not o.is_under_way),
      (select coalesce(sum(o.quantity), 0) from open o where o.meter = k.meter and not o.is_under_way),
      (
        select count(*) from open o
        where o.meter = k.meter and not o.is_under_way and (o.state = 'in_doubt' or o.first_unknown_at is not null)
      ),
      (select count(*) from open o where o.meter = k.meter and o.is_under_way),
      (select count(*) from waiting w where w.meter = k.meter),
      (select coalesce(sum(w.quantity), 0) from waiting w where w.meter = k.meter),
      (select count(*) from settled s where s.meter = k.meter),
      (select coalesce(sum(s.quantity), 0) from settled s where s.meter = k.meter)
    from unnest(meters) with ordinality k (meter, place)
    order by k.place;
  if is_rehearsal then
    return;
  end if;
  insert into metering.cut_overs as c (organization_id, cut_at)
  values (of_organization, cut)
  on conflict (organization_id) do update set cut_at = excluded.cut_at, set_at = now()
  where c.cut_at <> excluded.cut_at;
  update metering.meter_events m
  set state = 'superseded', reason = 'billed_elsewhere'
  where m.organization_id = of_organization and m.meter = any(meters) and m.hour < cut and m.event_at < cut
    and m.state in ('pending', 'in_doubt', 'rejected')
    and not (
      m.state = 'pending' and m.attempts_started > m.attempts_finished
      and m.last_attempt_at > now() - attempt_max
    );
end
$$;
revoke execute on function metering.cut_over(uuid, timestamptz, boolean, boolean, text[]) from public;
comment on function metering.cut_over(uuid, timestamptz, boolean, boolean, text[]) is
  'usage of an organization before a time was billed elsewhere: none of it is sent from now on; tells how much, by meter';

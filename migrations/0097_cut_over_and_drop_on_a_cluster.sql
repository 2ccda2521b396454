-- A cut-over and the drop of a month were refused on a cluster: a function in DO UPDATE SET, a lateral function over tables
-- of all organizations, and selects without a column. They are the same rules in forms that both databases take: the time of
-- a cut comes with its row, and what an open event replaces is followed step by step, for all organizations at once.
-- Replaces three functions; locks and reads no table.

create or replace function metering.cut_over(of_organization uuid, wanted timestamp with time zone, may_move boolean, is_rehearsal boolean, meters text[]) RETURNS TABLE(outcome text, cut_at timestamp with time zone, meter text, marked bigint, marked_quantity numeric, maybe_counted bigint, under_way bigint, unsealed bigint, unsealed_quantity numeric, sent bigint, sent_quantity numeric)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
  insert into metering.cut_overs as c (organization_id, cut_at, set_at)
  values (of_organization, cut, now())
  on conflict (organization_id) do update set cut_at = excluded.cut_at, set_at = excluded.set_at
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


create or replace function metering.count_what_keeps(table_name text, month timestamp with time zone, OUT unsealed bigint, OUT open_events bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
declare
  child constant text := metering.partition_name(count_what_keeps.table_name, count_what_keeps.month);
  until constant timestamptz := count_what_keeps.month + interval '1 month';
  -- What open events replace, from the first: whose entries they stand for.
  versions record;
  replaced_of uuid[] := '{}';
  replaced_ids uuid[] := '{}';
  replaced_open uuid[] := '{}';
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
        select 1 from metering.%I a where a.organization_id = e.organization_id and a.meter_event_id = e.id
      )
    $q$, child) into open_events;
  when 'readings' then
    -- From the few that are open to their readings, whenever they were taken in; what replaces others counts the entries
    -- of the first.
    select array_agg(m.organization_id) as of, array_agg(m.id) as ids, array_agg(m.id) as open into versions
    from (
      select organization_id, id from metering.meter_events where state = 'pending' and replaces_id is not null
      union all
      select organization_id, id from metering.meter_events
      where state in ('in_doubt', 'rejected') and replaces_id is not null
    ) m;
    while versions.ids is not null loop
      select array_agg(o.organization_id) as of, array_agg(o.id) as ids, array_agg(v.open_id) as open into versions
      from unnest(versions.of, versions.ids, versions.open) v (organization_id, id, open_id)
      join metering.meter_events o on o.organization_id = v.organization_id and o.replaced_by_id = v.id;
      replaced_of := replaced_of || versions.of;
      replaced_ids := replaced_ids || versions.ids;
      replaced_open := replaced_open || versions.open;
    end loop;
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
        join metering.meter_outbox e on e.organization_id = o.organization_id and e.meter_event_id = o.id
        union all
        select e.organization_id, e.id, v.open_id
        from unnest($1, $2, $3) v (organization_id, id, open_id)
        join metering.meter_outbox e on e.organization_id = v.organization_id and e.meter_event_id = v.id
      )
      select count(*) filter (where o.open_id is null), count(distinct o.open_id)
      from open_entry o
      where exists (
        select 1 from metering.%I r where r.organization_id = o.organization_id and r.entry_id = o.id
      )
    $q$, child) into unsealed, open_events using replaced_of, replaced_ids, replaced_open;
  end case;
end
$_$;

create or replace function metering.is_written(table_name text, month timestamp with time zone, since timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
declare
  child constant text := metering.partition_name(is_written.table_name, is_written.month);
  first_id constant uuid := metering.uuid_v7(is_written.since);
  answer boolean;
begin
  case is_written.table_name
  when 'readings' then
    execute format('select exists (select 1 from metering.%I where entry_id > $1)', child)
      into answer using first_id;
  when 'meter_outbox' then
    -- A new entry is unsealed, or in a new meter event.
    execute format('select exists (select 1 from metering.%I where meter_event_id is null)', child) into answer;
    answer := answer or exists (
      select 1 from metering.meter_events e
      where e.id > first_id
        and e.hour >= is_written.month and e.hour < is_written.month + interval '1 month'
    );
  when 'delivery_attempts' then
    -- An attempt is settled within minutes of its start.
    answer := false;
  end case;
  return answer;
end
$_$;

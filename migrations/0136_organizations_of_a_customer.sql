-- Why: which organizations a Stripe customer pays for, or ever paid for, was told by customer_links alone, whose rows lie on all nodes
-- of a cluster. So a comparison with Stripe's sum of one customer needed every node, and while one was away no draft was held, no
-- period closed and no webhook took effect, of any organization. Here each pair is kept on every node. customer_links stays the truth:
-- it takes no link whose pair is not here. On a cluster a process of the version before is so refused a new link until it is replaced.
-- And what ends doubt or carries usage forward went to any node with its last step, or to all: now to the organization's alone.
-- Locks: customer_links, subscriptions and billing_periods against writes, for a moment, while the pairs are read and the key is checked.
-- Without a foreign key to organizations: for that a cluster wants a right to write them of each role that links.
create table metering.customer_organizations (
  stripe_customer_id text not null check (length(stripe_customer_id) between 1 and 255),
  organization_id uuid not null,
  primary key (stripe_customer_id, organization_id)
);
comment on table metering.customer_organizations is
  'the organizations that a Stripe customer pays for or ever paid for; none is taken away, and customer_links has no row without its pair here';

-- In a cluster that is there already, customer_links is on its nodes, and so is what it refers to.
do $$
begin
  if exists (select from pg_extension where extname = 'citus') then
    if exists (select from pg_dist_partition where logicalrelid = 'metering.customer_links'::regclass) then
      perform create_reference_table('metering.customer_organizations');
    end if;
  end if;
end
$$;

lock table metering.subscriptions, metering.customer_links in share row exclusive mode;

insert into metering.customer_organizations (stripe_customer_id, organization_id)
select distinct stripe_customer_id, organization_id from metering.customer_links;

alter table metering.customer_links
  add constraint customer_links_pair_fkey foreign key (stripe_customer_id, organization_id)
  references metering.customer_organizations (stripe_customer_id, organization_id);

-- What looks for a customer's rows names its organizations first.
drop index metering.customer_links_customer;
drop index metering.billing_periods_customer;

create or replace function metering.write_customer_link() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  changed_at timestamptz;
begin
  if tg_op = 'UPDATE' and old.stripe_customer_id is not distinct from new.stripe_customer_id then
    return null;
  end if;
  -- The row of the subscription is locked, so links of one organization follow each other; so do their times, even if
  -- the clock was set back.
  select greatest(clock_timestamp(), max(coalesce(l.ended_at, l.linked_at)) + interval '1 microsecond') into changed_at
  from metering.customer_links l
  where l.organization_id = coalesce(new.organization_id, old.organization_id);
  if tg_op <> 'INSERT' then
    update metering.customer_links l
    set ended_at = changed_at
    where l.organization_id = old.organization_id and l.ended_at is null;
  end if;
  if tg_op <> 'DELETE' and new.stripe_customer_id is not null then
    -- A node of a cluster may not write what every node has: there the program writes it before it links, and any other link is refused.
    if not exists (
      select from metering.customer_organizations c
      where c.stripe_customer_id = new.stripe_customer_id and c.organization_id = new.organization_id
    ) then
      insert into metering.customer_organizations (stripe_customer_id, organization_id)
      values (new.stripe_customer_id, new.organization_id)
      on conflict do nothing;
    end if;
    insert into metering.customer_links (organization_id, linked_at, stripe_customer_id)
    values (new.organization_id, changed_at, new.stripe_customer_id);
  end if;
  return null;
end
$$;

create or replace function metering.settle_doubt(of_organization_id uuid, event_ids uuid[], verdict text, missing bigint, by_evidence_id uuid) returns TABLE(organization_id uuid, id uuid, meter text, stripe_customer_id text, state text, deliver_id uuid, quantity bigint)
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
  )
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
  -- Named, so that a cluster updates its shard alone, by the connection that holds the caller's locks; and as the last step, which
  -- it would otherwise do on any node.
  where m.organization_id = of_organization_id and m.organization_id = d.organization_id and m.id = d.id
    -- Another caller may have ended its doubt since.
    and (m.state = 'in_doubt' or m.state = 'delivered' and m.reconcile_since is not null)
    and (m.reconcile_since is null) = (d.reconcile_since is null)
  returning
    m.organization_id, m.id, m.meter, m.stripe_customer_id, m.state,
    case when verdict = 'none' then m.replaced_by_id when m.id = part_first_id then part_deliver_id end, m.quantity;
  get diagnostics settled_count = row_count;
  if settled_count <> cardinality(event_ids) then
    raise exception 'of % events in doubt only % still are', cardinality(event_ids), settled_count
      using errcode = 'restrict_violation';
  end if;
  if verdict = 'none' then
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, counted_before
    )
    select
      s.organization_id, s.replaced_by_id, s.meter, s.hour, s.quantity, s.event_at, s.entries, s.stripe_customer_id, s.id,
      s.counted_before
    from metering.meter_events s
    where s.organization_id = of_organization_id and s.id = any(event_ids) and s.replaced_by_id is not null;
  end if;
end
$$;

create or replace function metering.carry_unsent(late_organization_id uuid, late_customer text, late_start timestamp with time zone, late_end timestamp with time zone, late_meters text[]) returns TABLE(organization_id uuid, id uuid, meter text, stripe_customer_id text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  carried_max constant integer := 1000;
  old_ids uuid[];
  new_ids uuid[];
begin
  select array_agg(u.id) into old_ids
  from (
    select m.id
    from metering.meter_events m
    where m.organization_id = late_organization_id and m.stripe_customer_id = late_customer
      and m.meter = any(late_meters)
      and m.hour > late_start - interval '1 hour' and m.hour < late_end
      and m.event_at >= late_start and m.event_at < late_end
      -- No attempt can have brought it to Stripe. What Stripe had counted of events that it replaces stays in its own time.
      and m.state = 'pending' and m.attempts_started = m.attempts_finished and m.first_unknown_at is null
      and m.counted_before = 0
    order by m.id
    limit carried_max
    for update
  ) u;
  if old_ids is null then
    return;
  end if;
  new_ids := array(select metering.uuid_v7(clock_timestamp()) from unnest(old_ids));
  -- Each names the organization, so that a cluster does it on its shard alone.
  update metering.meter_events m
  set state = 'superseded', reason = 'carried_forward', replaced_by_id = g.new_id
  from unnest(old_ids, new_ids) g (id, new_id)
  where m.organization_id = late_organization_id and m.id = g.id;
  return query
  insert into metering.meter_events as n (
    organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, carried_from
  )
  select
    s.organization_id, s.replaced_by_id, s.meter, date_trunc('hour', now(), 'UTC'), s.quantity, now(), s.entries,
    s.stripe_customer_id, s.id, late_start
  from metering.meter_events s
  where s.organization_id = late_organization_id and s.id = any(old_ids)
  returning n.organization_id, n.id, n.meter, n.stripe_customer_id;
end;
$$;

-- Why: a meter event is what Stripe receives. Identifier (its id), quantity, time and members are fixed at the
-- seal and for ever; only its delivery moves on.
-- Locks: nothing that exists.
create table metering.meter_events (
  organization_id uuid not null references metering.organizations (id),
  id uuid not null,
  meter text not null,
  hour timestamptz not null,
  quantity bigint not null check (quantity >= 0),
  event_at timestamptz not null check (event_at >= hour and event_at < hour + interval '1 hour'),
  entries integer not null check (entries > 0),
  stripe_customer_id text not null,
  state text not null default 'pending' check (
    state in ('pending', 'delivered', 'confirmed', 'in_doubt', 'rejected', 'expired', 'superseded')
  ),
  reason text,
  attempts_started integer not null default 0,
  attempts_finished integer not null default 0 check (attempts_finished <= attempts_started),
  first_attempt_at timestamptz,
  last_attempt_at timestamptz,
  first_unknown_at timestamptz,
  last_error text,
  sealed_at timestamptz not null default now(),
  delivered_at timestamptz,
  replaces_id uuid,
  resolved_at timestamptz,
  resolution_reason text,
  reconcile_since timestamptz,
  primary key (organization_id, id)
) with (fillfactor = 70);

-- Operators look an event up by Stripe's identifier alone, and list the newest first.
create index meter_events_id on metering.meter_events (id);
-- What waits to be delivered, by organization: the seal's bound, the fair order and the sweep read it.
create index meter_events_pending on metering.meter_events (organization_id, meter, id) where state = 'pending';
-- What asks for somebody's attention.
create index meter_events_attention on metering.meter_events (state, id)
  where state in ('in_doubt', 'rejected', 'expired', 'superseded');
-- From an event in doubt to the one that sends its usage again.
create index meter_events_replacements on metering.meter_events (organization_id, replaces_id) where replaces_id is not null;
-- Usage by hour.
create index meter_events_hour on metering.meter_events (organization_id, meter, hour);

comment on table metering.meter_events is 'id is the identifier that Stripe deduplicates by, the same for every attempt';
comment on column metering.meter_events.hour is 'start of the UTC hour of all its entries';
comment on column metering.meter_events.event_at is 'latest occurred_at of its entries; sent to Stripe in whole seconds, rounded down';
comment on column metering.meter_events.entries is 'how many entries it folds';
comment on column metering.meter_events.reason is 'why it is in this state, in one word; last_error has Stripe''s own words';
comment on column metering.meter_events.replaces_id is 'the event in doubt whose usage this one sends again, under its own identifier; the entries stay with the first';
comment on column metering.meter_events.resolution_reason is 'why an operator declared an event in doubt delivered or not delivered, at resolved_at';
comment on column metering.meter_events.reconcile_since is 'Stripe reported failures of its validation window without naming each: it may be among them';
comment on column metering.meter_events.first_unknown_at is 'start of the first attempt that Stripe may have counted without our knowing';

create trigger meter_event_immutable
  before update of organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, sealed_at, replaces_id
  on metering.meter_events
  for each row execute function metering.refuse_change();
create trigger meter_event_not_deleted before delete on metering.meter_events
  for each row execute function metering.refuse_change();

create trigger meter_events_not_truncated before truncate on metering.meter_events
  for each statement execute function metering.refuse_change();

-- A final state is left only along the roads of the state diagram, whatever the code says: a delivered event
-- may be confirmed, or turn out to be refused when Stripe validates it afterwards; a refused one is sent again, or
-- superseded by one that is.
create function metering.guard_meter_event_state() returns trigger
language plpgsql
as $$
begin
  if not (
    old.state = 'pending'
    or old.state = 'in_doubt' and new.state in ('delivered', 'confirmed', 'pending', 'superseded', 'rejected', 'expired')
    or old.state = 'delivered' and new.state in ('confirmed', 'rejected')
    or old.state = 'rejected' and new.state in ('pending', 'in_doubt', 'superseded', 'expired')
  ) then
    raise exception 'meter event % cannot go from % to %', old.id, old.state, new.state
      using errcode = 'restrict_violation';
  end if;
  return new;
end
$$;
create trigger meter_event_state before update of state on metering.meter_events
  for each row when (old.state <> new.state) execute function metering.guard_meter_event_state();

create table metering.delivery_attempts (
  organization_id uuid not null,
  meter_event_id uuid not null,
  attempt integer not null check (attempt > 0),
  started_at timestamptz not null,
  duration_ms integer not null check (duration_ms >= 0),
  verdict text not null,
  http_status integer,
  code text,
  message text,
  stripe_request_id text,
  primary key (organization_id, meter_event_id, attempt)
);
comment on table metering.delivery_attempts is 'append-only; an attempt whose process died leaves a gap in the numbers';
create trigger delivery_attempt_immutable before update on metering.delivery_attempts
  for each row execute function metering.refuse_change();

-- Why: nobody compared what Stripe counted with what we sent, and the state `confirmed`, meant for that, was made by nobody:
-- an event's confirmation is a fact about its window, one row for thousands of events. Here are what was compared, what the
-- reads cost, who asked for them, and the billing periods that they belong to.
-- Locks: meter_events exclusively, for a moment (columns with constant defaults, a check that `migrate` validates
-- afterwards); rows in the state confirmed, of which there are none but by hand, become delivered. subscriptions against
-- writes, while its rows are read once.

alter table metering.meter_events disable trigger meter_event_state;
update metering.meter_events set state = 'delivered' where state = 'confirmed';
alter table metering.meter_events enable trigger meter_event_state;
drop index metering.meter_events_confirmed;
alter table metering.meter_events drop constraint meter_events_state_check;
alter table metering.meter_events add constraint meter_events_state_check
  check (state in ('pending', 'delivered', 'in_doubt', 'rejected', 'expired', 'superseded')) not valid;

-- The same as before without `confirmed`.
create or replace function metering.guard_meter_event_state() returns trigger
language plpgsql
as $$
begin
  if not (
    old.state = 'pending'
    or old.state = 'in_doubt' and new.state in ('delivered', 'pending', 'superseded', 'rejected', 'expired')
    or old.state = 'delivered' and new.state = 'rejected'
    or old.state = 'rejected' and new.state in ('pending', 'in_doubt', 'superseded', 'expired')
  ) then
    raise exception 'meter event % cannot go from % to %', old.id, old.state, new.state
      using errcode = 'restrict_violation';
  end if;
  return new;
end
$$;

alter table metering.meter_events
  add column counted_before numeric not null default 0,
  add column replaced_by_id uuid;
comment on column metering.meter_events.counted_before is
  'of an event that replaces others: what Stripe had counted of them already, by its sum; 0 for all other events';
comment on column metering.meter_events.replaced_by_id is
  'of a superseded event: the one that sends what was missing of it, where one replaces several';
drop trigger meter_event_immutable on metering.meter_events;
create trigger meter_event_immutable
  before update of organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, sealed_at, replaces_id,
    counted_before
  on metering.meter_events
  for each row execute function metering.refuse_change();

create table metering.reconciliations (
  organization_id uuid not null references metering.organizations (id),
  id uuid not null default metering.uuid_v7(clock_timestamp()),
  meter text not null,
  stripe_customer_id text not null,
  window_start timestamptz not null,
  window_end timestamptz not null,
  cause text not null check (cause in ('doubt', 'close', 'report', 'restore', 'routine', 'operator')),
  ours numeric not null,
  doubtful numeric not null default 0,
  theirs numeric not null,
  events integer not null check (events >= 0),
  fingerprint text not null,
  reads integer not null check (reads >= 0),
  result text not null check (result in ('equal', 'settling', 'different')),
  reason text,
  read_at timestamptz not null default now(),
  primary key (organization_id, id),
  check (isfinite(window_start) and isfinite(window_end) and window_start < window_end and isfinite(read_at))
);
-- Looks at one window; the windows that hold an event; the last look at an organization's meter.
create index reconciliations_window
  on metering.reconciliations (organization_id, meter, window_end, window_start, read_at);
-- What differs now, for metrics and doctor.
create index reconciliations_different on metering.reconciliations (window_end) where result = 'different';
comment on table metering.reconciliations is
  'append-only: one row for each window of a customer and meter that was compared with Stripe''s own sum, the widest first';
comment on column metering.reconciliations.ours is 'the fold of the events that are certainly at Stripe';
comment on column metering.reconciliations.doubtful is 'the fold of those that may be, added up';
comment on column metering.reconciliations.fingerprint is
  'of the window''s events with their states: two looks with the same one looked at the same events';
comment on column metering.reconciliations.reads is
  'what this look cost; 0 for windows that were told by the read of a wider one';
comment on column metering.reconciliations.reason is 'why a window is not compared yet, in one word';
create trigger reconciliation_immutable before update or delete on metering.reconciliations
  for each row execute function metering.refuse_change();
create trigger reconciliations_not_truncated before truncate on metering.reconciliations
  for each statement execute function metering.refuse_change();

create table metering.reconcile_reads (
  day date primary key,
  reads integer not null default 0 check (reads >= 0),
  put_off integer not null default 0 check (put_off >= 0)
);
comment on table metering.reconcile_reads is
  'reads of Stripe''s sums of each UTC day, by all workers together, and how many the budget put off';

create table metering.reconcile_requests (
  organization_id uuid not null references metering.organizations (id),
  id uuid not null default metering.uuid_v7(clock_timestamp()),
  cause text not null default 'operator' check (cause in ('operator', 'restore')),
  period_from timestamptz not null,
  period_to timestamptz not null,
  asked_at timestamptz not null default now(),
  done_at timestamptz,
  answer jsonb,
  error text,
  primary key (organization_id, id),
  check (isfinite(period_from) and isfinite(period_to) and period_from < period_to)
);
create index reconcile_requests_waiting on metering.reconcile_requests (asked_at) where done_at is null;
comment on table metering.reconcile_requests is 'an operator asks the API or the command line; a worker, who has Stripe''s key, answers';

create table metering.billing_periods (
  organization_id uuid not null references metering.organizations (id),
  period_start timestamptz not null,
  period_end timestamptz not null,
  stripe_customer_id text not null,
  stripe_subscription_id text,
  invoice_id text,
  invoice_status text,
  invoice_created_at timestamptz,
  finalizes_at timestamptz,
  held_until timestamptz,
  finalized_at timestamptz,
  paid_at timestamptz,
  invoiced jsonb,
  closed_at timestamptz,
  primary key (organization_id, period_start),
  check (isfinite(period_start) and isfinite(period_end) and period_start < period_end)
);
-- What is not closed, the oldest first.
create index billing_periods_open on metering.billing_periods (period_end) where closed_at is null;
comment on table metering.billing_periods is
  'every billing period that a subscription has told, written by a trigger on subscriptions, and its invoice, by webhooks';
comment on column metering.billing_periods.finalizes_at is 'when Stripe finalizes the draft by itself, as last heard or set';
comment on column metering.billing_periods.held_until is 'the last time that the gate has moved finalization to';
comment on column metering.billing_periods.invoiced is 'quantity of the invoice''s lines by our meters'' names, as decimal strings';
comment on column metering.billing_periods.closed_at is 'its invoice is final, and its sums are compared';

-- Whoever writes a subscription's period, the period stays known when the next one begins. One that another subscription
-- has cut short ends where that one's period begins, unless its invoice says otherwise.
create function metering.note_billing_period() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if new.stripe_customer_id is null or not new.current_period_start < new.current_period_end
    or new.current_period_start is null or new.current_period_end is null
  then
    return null;
  end if;
  update metering.billing_periods p
  set period_end = new.current_period_start
  where p.organization_id = new.organization_id and p.invoice_id is null
    and p.period_start < new.current_period_start and p.period_end > new.current_period_start;
  insert into metering.billing_periods as p (
    organization_id, period_start, period_end, stripe_customer_id, stripe_subscription_id
  )
  values (
    new.organization_id, new.current_period_start, new.current_period_end, new.stripe_customer_id,
    new.stripe_subscription_id
  )
  on conflict (organization_id, period_start) do update
  set period_end = excluded.period_end, stripe_customer_id = excluded.stripe_customer_id,
    stripe_subscription_id = excluded.stripe_subscription_id
  where p.invoice_id is null;
  return null;
end
$$;
revoke execute on function metering.note_billing_period from public;
create trigger billing_period_noted
  after insert or update of stripe_customer_id, stripe_subscription_id, current_period_start, current_period_end
  on metering.subscriptions
  for each row execute function metering.note_billing_period();

insert into metering.billing_periods (organization_id, period_start, period_end, stripe_customer_id, stripe_subscription_id)
select organization_id, current_period_start, current_period_end, stripe_customer_id, stripe_subscription_id
from metering.subscriptions
where stripe_customer_id is not null and current_period_start < current_period_end;

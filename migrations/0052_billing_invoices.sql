-- Why: a billing period may have several invoices (two subscriptions, a changed plan, a threshold), each of them a draft for
-- a while and each with lines that bill our meters. So they get a table of their own in place of the columns that
-- billing_periods had for one. A period also keeps when a worker looks at it next, what its books were then, and what came
-- too late for its invoices. Usage that is carried forward says from which period.
-- Locks: billing_periods exclusively, for a moment; its columns about an invoice were written by nothing yet. meter_events
-- exclusively, for a moment (a column without a default).

create table metering.billing_invoices (
  organization_id uuid not null references metering.organizations (id),
  invoice_id text not null check (length(invoice_id) between 1 and 255),
  period_start timestamptz not null,
  stripe_customer_id text not null,
  stripe_subscription_id text,
  billing_reason text,
  status text not null check (length(status) between 1 and 64),
  invoiced jsonb not null,
  created_at timestamptz not null,
  finalizes_at timestamptz,
  held_since timestamptz,
  held_until timestamptz,
  warned_for timestamptz,
  finalized_at timestamptz,
  paid_at timestamptz,
  read_began_at timestamptz not null,
  primary key (organization_id, invoice_id),
  check (
    isfinite(period_start) and isfinite(created_at) and isfinite(finalizes_at) and isfinite(held_since)
    and isfinite(held_until) and isfinite(warned_for) and isfinite(finalized_at) and isfinite(paid_at) and isfinite(read_began_at)
  )
);
create index billing_invoices_period on metering.billing_invoices (organization_id, period_start);
-- What the gate watches.
create index billing_invoices_draft on metering.billing_invoices (finalizes_at) where status = 'draft';
comment on table metering.billing_invoices is
  'invoices that bill our meters, as Stripe last told; written by webhooks and by the close of periods';
comment on column metering.billing_invoices.period_start is 'the billing period whose usage it bills';
comment on column metering.billing_invoices.status is 'Stripe''s own word, or deleted';
comment on column metering.billing_invoices.invoiced is 'quantity of its lines by our meters'' names, as decimal strings';
comment on column metering.billing_invoices.finalizes_at is 'when Stripe finalizes the draft by itself, as last heard or set';
comment on column metering.billing_invoices.held_since is 'when the gate first moved its finalization';
comment on column metering.billing_invoices.held_until is 'where the gate has moved its finalization, or was about to';
comment on column metering.billing_invoices.warned_for is
  'the finalization about which the gate has warned, where it watches or may not move it';
comment on column metering.billing_invoices.read_began_at is
  'when the read of Stripe''s object that this row holds began; an older read never overwrites it';

drop index metering.billing_periods_open;
alter table metering.billing_periods
  drop column invoice_id, drop column invoice_status, drop column invoice_created_at, drop column finalizes_at,
  drop column held_until, drop column finalized_at, drop column paid_at, drop column invoiced,
  add column next_look_at timestamptz check (isfinite(next_look_at)),
  add column books text check (books in ('open', 'settling', 'different', 'unknown', 'equal')),
  add column not_billed jsonb;
create index billing_periods_due on metering.billing_periods (coalesce(next_look_at, period_end));
create index billing_periods_customer on metering.billing_periods (stripe_customer_id, period_start);
-- What metrics and doctor tell of.
create index billing_periods_not_billed on metering.billing_periods (closed_at) where not_billed is not null;
comment on column metering.billing_periods.closed_at is 'when an invoice of it was first known to be final';
comment on column metering.billing_periods.next_look_at is 'when a worker looks at it next; null: when it ends; later than all time that matters: never';
comment on column metering.billing_periods.books is 'what the last look found: usage is open, or its sums settle, differ, could not be compared, or are equal';
comment on column metering.billing_periods.not_billed is
  'by our meters'' names, usage that its final invoices lack and no later period carries, as decimal strings; null: none';

alter table metering.meter_events add column carried_from timestamptz check (isfinite(carried_from));
comment on column metering.meter_events.carried_from is
  'of usage that came too late for its invoice: start of the billing period that it belongs to';
create index meter_events_carried on metering.meter_events (organization_id, carried_from) where carried_from is not null;
drop trigger meter_event_immutable on metering.meter_events;
create trigger meter_event_immutable
  before update of organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, sealed_at, replaces_id,
    counted_before, carried_from
  on metering.meter_events
  for each row execute function metering.refuse_change();

-- As before; whether a period has an invoice is told by billing_invoices now.
create or replace function metering.note_billing_period() returns trigger
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
  where p.organization_id = new.organization_id
    and p.period_start < new.current_period_start and p.period_end > new.current_period_start
    and not exists (
      select from metering.billing_invoices i
      where i.organization_id = p.organization_id and i.period_start = p.period_start
    );
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
  where not exists (
    select from metering.billing_invoices i
    where i.organization_id = p.organization_id and i.period_start = p.period_start
  );
  return null;
end
$$;

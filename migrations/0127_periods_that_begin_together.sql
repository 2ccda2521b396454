-- Why: an organization that moved to another customer whose period began at the same moment had its row overwritten, and the
-- invoice of the earlier customer was compared with nothing. Each customer has a row of its own now: of those that begin
-- together, each further one begins a millisecond later (Stripe's periods begin with whole seconds).
-- Locks: nothing; a function is replaced.

create or replace function metering.note_billing_period() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  together integer;
  own integer;
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
  select count(*), count(*) filter (where p.stripe_customer_id = new.stripe_customer_id) into together, own
  from metering.billing_periods p
  where p.organization_id = new.organization_id
    and p.period_start >= new.current_period_start
    and p.period_start < new.current_period_start + interval '1 second';
  if own = 0 then
    insert into metering.billing_periods (
      organization_id, period_start, period_end, stripe_customer_id, stripe_subscription_id
    )
    values (
      new.organization_id, new.current_period_start + together * interval '1 millisecond', new.current_period_end,
      new.stripe_customer_id, new.stripe_subscription_id
    )
    on conflict (organization_id, period_start) do nothing;
  else
    update metering.billing_periods p
    set period_end = new.current_period_end, stripe_subscription_id = new.stripe_subscription_id
    where p.organization_id = new.organization_id and p.stripe_customer_id = new.stripe_customer_id
      and p.period_start >= new.current_period_start
      and p.period_start < new.current_period_start + interval '1 second'
      and not exists (
        select from metering.billing_invoices i
        where i.organization_id = p.organization_id and i.period_start = p.period_start
      );
  end if;
  return null;
end
$$;

-- Why: a customer of whom no subscription had told a period got the UTC month. Where a meter's item was added to a subscription
-- from before that month, its period was added beside the month, and nothing took the month away: both overlapped, so late
-- usage was never carried forward, and the month waited for an invoice that never comes. A period without a subscription
-- gives way now to one of the same customer that is told later, as long as no invoice is known of it. And a period whose end
-- was told as later only after it had passed was compared no more while it ran on, and looked at each minute as an ended one.
-- Where an organization moved to another customer in the middle of a period, that customer's period ended the earlier one's:
-- usage of after it stood in no statement. A period ends none but its own customer's now.
-- Locks: metering.billing_periods for writers, for a moment.

create function metering.give_way_to_period() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from metering.billing_periods p
  where p.organization_id = new.organization_id and p.stripe_customer_id = new.stripe_customer_id
    and p.stripe_subscription_id is null
    and p.period_start > new.period_start and p.period_start < new.period_end
    and not exists (
      select from metering.billing_invoices i
      where i.organization_id = p.organization_id and i.period_start = p.period_start
    );
  update metering.billing_periods p
  set period_end = new.period_start
  where p.organization_id = new.organization_id and p.stripe_customer_id = new.stripe_customer_id
    and p.stripe_subscription_id is null
    and p.period_start < new.period_start and p.period_end > new.period_start
    and not exists (
      select from metering.billing_invoices i
      where i.organization_id = p.organization_id and i.period_start = p.period_start
    );
  return null;
end
$$;
revoke execute on function metering.give_way_to_period from public;
comment on function metering.give_way_to_period is
  'removes or ends periods of the same customer without a subscription and without an invoice that overlap the new one';

create trigger billing_period_begun
after insert on metering.billing_periods
for each row execute function metering.give_way_to_period();

create trigger billing_period_prolonged
after update of period_end on metering.billing_periods
for each row when (new.period_end > old.period_end) execute function metering.give_way_to_period();

create function metering.run_on() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if old.period_end <= now() and new.period_end > now() then
    new.routine_at := coalesce(new.routine_at, '2000-01-01T00:00:00Z');
    new.next_look_at := null;
  end if;
  return new;
end
$$;
revoke execute on function metering.run_on from public;
comment on function metering.run_on is 'an ended period that runs on is compared as a running one again, and looked at when it ends';

create trigger billing_period_runs_on
before update of period_end on metering.billing_periods
for each row when (new.period_end > old.period_end) execute function metering.run_on();

-- Months that overlap a told period since before this migration.
delete from metering.billing_periods p
using metering.billing_periods told
where told.organization_id = p.organization_id and told.stripe_customer_id = p.stripe_customer_id
  and told.stripe_subscription_id is not null and p.stripe_subscription_id is null
  and p.period_start > told.period_start and p.period_start < told.period_end
  and not exists (
    select from metering.billing_invoices i
    where i.organization_id = p.organization_id and i.period_start = p.period_start
  );

-- As in 0127, but for the customer in the first statement.
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
  where p.organization_id = new.organization_id and p.stripe_customer_id = new.stripe_customer_id
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

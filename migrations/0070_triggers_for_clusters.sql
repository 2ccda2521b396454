-- Why: on a cluster a trigger runs where the row lies, and what it writes may have to go by the wire: an insert there takes
-- no source that only the trigger has (new_sensors, old_sensors), and no subquery in its on conflict. The same rules, in
-- statements that need neither; they do the same here.
-- Locks: nothing; two functions are replaced.

create or replace function metering.note_sensor_changes() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  changed uuid[];
  one uuid;
begin
  if tg_op = 'INSERT' then
    select array_agg(distinct s.organization_id) into changed from new_sensors s where s.deactivated_at is null;
  elsif tg_op = 'DELETE' then
    select array_agg(distinct s.organization_id) into changed from old_sensors s where s.deactivated_at is null;
  else
    select array_agg(c.organization_id) into changed
    from (
      select organization_id
      from (
        select organization_id, id from new_sensors where deactivated_at is null
        except all
        select organization_id, id from old_sensors where deactivated_at is null
      ) activated
      union
      select organization_id
      from (
        select organization_id, id from old_sensors where deactivated_at is null
        except all
        select organization_id, id from new_sensors where deactivated_at is null
      ) deactivated
    ) c;
  end if;
  foreach one in array coalesce(changed, '{}') loop
    insert into metering.sensor_changes (organization_id) values (one);
  end loop;
  return null;
end
$$;

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
  insert into metering.billing_periods (
    organization_id, period_start, period_end, stripe_customer_id, stripe_subscription_id
  )
  values (
    new.organization_id, new.current_period_start, new.current_period_end, new.stripe_customer_id,
    new.stripe_subscription_id
  )
  on conflict (organization_id, period_start) do nothing;
  if not found then
    update metering.billing_periods p
    set period_end = new.current_period_end, stripe_customer_id = new.stripe_customer_id,
      stripe_subscription_id = new.stripe_subscription_id
    where p.organization_id = new.organization_id and p.period_start = new.current_period_start
      and not exists (
        select from metering.billing_invoices i
        where i.organization_id = p.organization_id and i.period_start = p.period_start
      );
  end if;
  return null;
end
$$;

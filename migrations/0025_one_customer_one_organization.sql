-- Why: two organizations with one Stripe customer overwrite each other's gauge, so one customer belongs to one
-- organization. A unique index cannot say so: databases of before have such pairs, and a table that is distributed by
-- organization can have none without organization_id. So whoever writes a customer asks here first, one at a time
-- under a lock; linking is rare. Pairs of before stay as they are: `migrate` warns of them and `doctor` shows them.
-- Locks: metering.subscriptions against writes, for a moment.
create function metering.claim_customer() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  owner uuid;
begin
  if new.stripe_customer_id is null or (tg_op = 'UPDATE' and new.stripe_customer_id = old.stripe_customer_id) then
    return new;
  end if;
  perform pg_advisory_xact_lock(hashtext('metering.claim_customer'));
  -- A statement of its own, so it sees what was committed before the lock was had.
  select s.organization_id into owner
  from metering.subscriptions s
  where s.stripe_customer_id = new.stripe_customer_id and s.organization_id <> new.organization_id
  limit 1;
  if found then
    raise exception 'the Stripe customer belongs to another organization'
      using errcode = 'unique_violation', constraint = 'one_organization_per_customer', detail = owner::text;
  end if;
  return new;
end
$$;
comment on function metering.claim_customer is
  'refuses a customer that another organization has, with unique_violation of one_organization_per_customer; the detail is the other''s id';

create trigger claim_customer before insert or update of stripe_customer_id on metering.subscriptions
  for each row execute function metering.claim_customer();

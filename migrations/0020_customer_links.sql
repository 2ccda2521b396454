-- Why: usage belongs to the customer that was linked when it arrived. Only the present customer was known, so that all
-- unsealed usage of an organization went to its next customer when it was linked to another.
-- Locks: subscriptions against writes, for a moment, while the triggers are made and its rows are read.
create table metering.customer_links (
  organization_id uuid not null references metering.organizations (id),
  linked_at timestamptz not null,
  stripe_customer_id text not null check (length(stripe_customer_id) between 1 and 255),
  ended_at timestamptz,
  customer_deleted_at timestamptz,
  primary key (organization_id, linked_at),
  check (ended_at > linked_at)
);
create index customer_links_customer on metering.customer_links (stripe_customer_id);
comment on table metering.customer_links is
  'which Stripe customer an organization was linked to, and when; written by a trigger on subscriptions';
comment on column metering.customer_links.ended_at is 'null: the link is the present one';
comment on column metering.customer_links.customer_deleted_at is
  'Stripe has deleted the customer: usage of this link that is not sealed belongs to the next one';

-- The one rule about who pays: usage belongs to the first link that had not ended then. So what came before the first
-- link, or between two, belongs to the one that follows; after the last there is no row, and usage is held.
create view metering.customer_spans as
select
  l.organization_id,
  l.stripe_customer_id,
  coalesce(
    (
      select max(earlier.ended_at)
      from metering.customer_links earlier
      where earlier.organization_id = l.organization_id and earlier.linked_at < l.linked_at
        and earlier.customer_deleted_at is null
    ),
    '-infinity'
  ) as starts_at,
  coalesce(l.ended_at, 'infinity') as ends_at
from metering.customer_links l
where l.customer_deleted_at is null;
comment on view metering.customer_spans is
  'from when (inclusive) until when an organization''s usage is a customer''s; what lies in no span is held';

create function metering.write_customer_link() returns trigger
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
    insert into metering.customer_links (organization_id, linked_at, stripe_customer_id)
    values (new.organization_id, changed_at, new.stripe_customer_id);
  end if;
  return null;
end
$$;
revoke execute on function metering.write_customer_link from public;
create trigger customer_linked after insert or delete or update of stripe_customer_id on metering.subscriptions
  for each row execute function metering.write_customer_link();

-- When they were linked is not known any more; nothing lies before them, so any time will do.
insert into metering.customer_links (organization_id, linked_at, stripe_customer_id)
select organization_id, updated_at, stripe_customer_id
from metering.subscriptions
where stripe_customer_id is not null;

-- Why: of what an event costs Postgres on its way to Stripe, half was its reminder: a job made, fetched and ended for each
-- event. A seal now makes one job for up to 50 events of different organizations, and each event names that job.
-- Locks: meter_events for a moment: a column without a default rewrites nothing.

alter table metering.meter_events add column shipment_id uuid;
comment on column metering.meter_events.shipment_id is
  'the pg-boss job that reminds of the first attempt at this event and of others; null where its reminder was made for it alone';

-- Roles that may insert an event by its columns get the new one, so that sealing goes on before scripts/roles.sql is run again.
do $$
declare
  insertable record;
begin
  for insertable in
    select distinct acl.grantee::regrole::text as role
    from pg_attribute a, lateral aclexplode(a.attacl) acl
    where a.attrelid = 'metering.meter_events'::regclass and a.attname = 'stripe_customer_id'
      and acl.privilege_type = 'INSERT' and acl.grantee <> 0
  loop
    execute 'grant insert (shipment_id) on metering.meter_events to ' || insertable.role;
  end loop;
end $$;

-- From pending an event may go to any state, so that its trigger said yes to each delivery.
drop trigger meter_event_state on metering.meter_events;
create trigger meter_event_state before update of state on metering.meter_events
  for each row when (old.state <> new.state and old.state <> 'pending')
  execute function metering.guard_meter_event_state();

-- A whole shipment begins at once, which are all rows of a page: half of each page is left for their new versions.
alter table metering.meter_events set (fillfactor = 50);

-- Why: a trigger before an update makes Postgres lock and read each row first, with a record of that in the log, whether the
-- trigger is to run or not: each event was locked so when its attempt began and when it was settled, and each entry when it
-- was sealed. After the update only its conditions are looked at, and an error still takes all back.
-- An entry that goes to another month is deleted and inserted: entry_not_deleted refuses that.
-- Locks: meter_events and meter_outbox for writers, for a moment.

create or replace trigger meter_event_immutable
after update of
  organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, sealed_at, replaces_id, counted_before,
  carried_from
on metering.meter_events
for each row execute function metering.refuse_change();

create or replace trigger meter_event_state
after update of state on metering.meter_events
for each row when (old.state <> new.state and old.state <> 'pending')
execute function metering.guard_meter_event_state();

create or replace trigger entry_immutable
after update of organization_id, occurred_at, id, meter, quantity on metering.meter_outbox
for each row execute function metering.refuse_change();

create or replace trigger entry_sealed_once
after update of meter_event_id on metering.meter_outbox
for each row when (old.meter_event_id is not null) execute function metering.refuse_change();

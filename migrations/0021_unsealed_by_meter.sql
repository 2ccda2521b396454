-- Why: the seal of one meter read past the unsealed entries and pending events of the other: with 1 million entries of a
-- meter that is paused, 100 entries of the other took 16 s to seal. Each meter now has a range of its own in both indexes.
-- Locks: meter_outbox and meter_events against writes, while each is read once: intake waits. Where the outbox is large,
-- make the index of each partition before, which stops nobody; this migration then finds and takes them, in a moment:
--
--   create index concurrently on metering.meter_outbox_2026_11 (meter, organization_id, occurred_at, id)
--     where meter_event_id is null;
create index meter_outbox_unsealed_by_meter on metering.meter_outbox (meter, organization_id, occurred_at, id)
  where meter_event_id is null;
drop index metering.meter_outbox_unsealed;

create index meter_events_pending_by_meter on metering.meter_events (meter, organization_id, id) where state = 'pending';
drop index metering.meter_events_pending;

-- Why: a statement lists what Stripe got after the period's invoice was final. To find it, it read every meter event of the
-- period: 25,000 in a month of the largest organization of the bench `year`, and nearly always nothing. What was delivered
-- more than a day after its hour began is rare, and gets an index of its own; of younger hours a statement reads the few.
-- Locks: meter_events against writes while the index is built, one read of the table: about a second for a million events.
-- Where it is larger, make it before, by the statement below with "concurrently" behind "create index": that stops no
-- writer, and this migration then finds it.
create index if not exists meter_events_delivered_late on metering.meter_events (organization_id, meter, hour)
  where delivered_at - hour > interval '1 day';

-- Why: of a customer with several subscriptions one is followed, and an hour was cut only where that one's period began or
-- ended: where another one's period ended, up to an hour of usage was billed in the next one.
-- Locks: metering.subscriptions for everyone, for a moment.

alter table metering.subscriptions add column other_bounds timestamptz[];

comment on column metering.subscriptions.other_bounds is
  'where present periods of other subscription items of our meters begin and end; null: nowhere else than the followed one';

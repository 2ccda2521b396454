-- Why: a trace is followed from the request that stored an entry to the meter event that bills it. Null wherever
-- tracing is off; nothing depends on it.
-- Locks: meter_outbox exclusively, for a moment: a nullable column without a default rewrites nothing.
alter table metering.meter_outbox add column traceparent text;

comment on column metering.meter_outbox.traceparent is
  'W3C trace context of the span that stored the entry, if that span is recorded';

-- Why: a Stripe event that will never make sense here, such as a checkout of another program on the account, fails again at
-- each replay, so its alert never ended without SQL. An operator can dismiss it, with the reason.
-- Locks: stripe_events exclusively, for a moment. No row is read or rewritten; `migrate` reads the rows afterwards, under a
-- lock that stops neither readers nor writers.
alter table metering.stripe_events
  add column dismissed_at timestamptz,
  add column dismissed_because text,
  drop constraint stripe_events_state_check,
  add constraint stripe_events_state_check
    check (state in ('pending', 'handled', 'failed', 'refused', 'dismissed')) not valid,
  add constraint stripe_events_dismissed check (
    (state = 'dismissed') = (dismissed_at is not null) and (state = 'dismissed') = (dismissed_because is not null)
    and isfinite(dismissed_at) and length(dismissed_because) between 1 and 500
  ) not valid;
comment on column metering.stripe_events.state is
  'pending: waits or is retried; handled: took effect once; failed: the dead letter, replayable; refused: of the other mode (live or test) than the key; dismissed: an operator said that it needs no effect, replayable';
comment on column metering.stripe_events.dismissed_because is 'the operator''s reason';

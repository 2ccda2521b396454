-- Why: each running period is compared once a day while the budget lasts, by one worker. So it keeps when that is due: those
-- due are found without a walk over all customers, and a worker that takes one puts it off for the others.
-- Locks: billing_periods exclusively, for a moment (a column with a constant default).
alter table metering.billing_periods
  add column routine_at timestamptz default '2000-01-01Z' check (isfinite(routine_at));
create index billing_periods_routine on metering.billing_periods (routine_at) where routine_at is not null;
comment on column metering.billing_periods.routine_at is
  'when the running period is compared next with Stripe''s sums; null: it has ended, and next_look_at has what follows';

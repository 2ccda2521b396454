-- Why: usage in a trial is free at Stripe. A look at a period knew it, but wrote it nowhere: the statement named such usage as
-- unexplained, and, where it was delivered after the invoice, as late, with the advice to invoice it by hand.
-- Locks: metering.billing_periods, for a moment.
alter table metering.billing_periods add column is_trial boolean not null default false;

comment on column metering.billing_periods.is_trial is
  'a look found usage that no invoice has, and Stripe tells that the whole period was a trial, in which usage is free';

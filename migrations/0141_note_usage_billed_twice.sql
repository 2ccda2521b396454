-- Why: where a new price was added to a subscription and the old item of the same meter was left there, each has a line on the invoice
-- for the same usage. Only the sum of a meter's lines was kept, so that no check, metric or log line told of it.
-- Locks: metering.billing_invoices, for a moment.
alter table metering.billing_invoices add column billed_twice text[] not null default '{}';

comment on column metering.billing_invoices.billed_twice is
  'our meters'' names, of which lines of two prices bill usage of the same time';

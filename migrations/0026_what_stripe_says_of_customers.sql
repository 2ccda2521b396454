-- Why: what a worker read of a customer at Stripe after an operator linked it, and when its subscriptions bill usage:
-- a customer that Stripe does not know, and usage that lies on no invoice, have to be seen before they cost money.
-- Locks: metering.subscriptions, for a moment; the columns are null, so no row is written.
alter table metering.subscriptions
  add column customer_fault text check (customer_fault in ('unknown', 'other_mode', 'deleted')),
  add column read_wanted_at timestamptz,
  add column billed tstzmultirange;
create index subscriptions_read_wanted on metering.subscriptions (read_wanted_at) where read_wanted_at is not null;
-- Subscriptions are found by their customer now.
drop index metering.subscriptions_subscription;
comment on column metering.subscriptions.customer_fault is
  'what Stripe says is wrong with the customer that an operator linked; null: nothing, or not asked yet';
comment on column metering.subscriptions.read_wanted_at is
  'an operator linked the customer then, and no worker has read it at Stripe yet';
comment on column metering.subscriptions.billed is
  'when usage lies on an invoice of a subscription that bills our meters, as Stripe last said; null: never read';
-- A trigger calls it as the table's writer; nobody else has to.
revoke execute on function metering.claim_customer() from public;

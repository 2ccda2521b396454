-- Why: two comments told half: the ends of a customer's subscriptions divide hours, too, and a customer is also read where nothing
-- told of its invoice.
-- Locks: metering.subscriptions, for no reader and no writer of rows.

comment on column metering.subscriptions.other_bounds is
  'where present periods of other subscription items of our meters begin and end, and where subscriptions of our meters ended; null: nowhere else than the followed one';

comment on column metering.subscriptions.read_wanted_at is
  'since then a worker is to read the customer at Stripe: an operator linked it, or nothing told of one of its invoices';

-- Why: the webhook inbox. An event is stored once, by its id, before anything is done about it.
-- Locks: nothing that exists.
create table metering.stripe_events (
  event_id text primary key check (length(event_id) between 1 and 255),
  event_type text not null,
  payload jsonb not null,
  received_at timestamptz not null default now(),
  handled_at timestamptz,
  error text
);
create index stripe_events_unhandled on metering.stripe_events (received_at) where handled_at is null;

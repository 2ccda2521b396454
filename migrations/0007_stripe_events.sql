-- Why: the webhook inbox. An event is stored once, by its id, before anything is done about it; its effect and
-- handled_at commit together.
-- Locks: nothing that exists.
create table metering.stripe_events (
  event_id text primary key check (length(event_id) between 1 and 255),
  event_type text not null check (length(event_type) between 1 and 255),
  livemode boolean not null,
  payload jsonb not null,
  received_at timestamptz not null default now(),
  state text not null default 'pending' check (state in ('pending', 'handled', 'failed', 'refused')),
  attempts integer not null default 0,
  handled_at timestamptz,
  error text,
  check ((handled_at is not null) = (state = 'handled'))
);
create index stripe_events_open on metering.stripe_events (state, received_at) where state <> 'handled';
create index stripe_events_received on metering.stripe_events (received_at);
comment on column metering.stripe_events.state is
  'pending: waits or is retried; handled: took effect once; failed: the dead letter, replayable; refused: of the other mode (live or test) than the key';
comment on column metering.stripe_events.attempts is 'how often its handling began, without the attempts that Stripe could not answer';

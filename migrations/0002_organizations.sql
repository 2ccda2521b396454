-- Why: who sends usage, with which keys, from which sensors, and who pays for it at Stripe.
-- Locks: nothing that exists.
create table metering.organizations (
  id uuid primary key default metering.uuid_v7(clock_timestamp()),
  name text not null check (length(name) between 1 and 200),
  created_at timestamptz not null default now()
);

create table metering.api_keys (
  id uuid primary key default metering.uuid_v7(clock_timestamp()),
  organization_id uuid not null references metering.organizations (id),
  name text not null default '',
  prefix text not null,
  key_hash bytea not null unique check (length(key_hash) = 32),
  scopes text[] not null check (scopes <@ array['ingest', 'read'] and cardinality(scopes) > 0),
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  revoked_at timestamptz
);
create index api_keys_organization on metering.api_keys (organization_id);
comment on column metering.api_keys.key_hash is 'SHA-256 of the whole key; the key itself is shown once and never stored';
comment on column metering.api_keys.prefix is 'the first characters of the key, so that people can tell keys apart';

create table metering.subscriptions (
  organization_id uuid primary key references metering.organizations (id),
  stripe_customer_id text check (length(stripe_customer_id) between 1 and 255),
  stripe_subscription_id text check (length(stripe_subscription_id) between 1 and 255),
  status text not null check (length(status) between 1 and 64),
  current_period_start timestamptz,
  current_period_end timestamptz,
  updated_at timestamptz not null default now(),
  read_began_at timestamptz,
  check (current_period_start < current_period_end)
);
create index subscriptions_customer on metering.subscriptions (stripe_customer_id);
create index subscriptions_subscription on metering.subscriptions (stripe_subscription_id);
comment on column metering.subscriptions.stripe_customer_id is 'null: usage of the organization is held in the outbox';
comment on column metering.subscriptions.read_began_at is 'when the read of Stripe''s object that this row holds began; an older read never overwrites it';
comment on column metering.subscriptions.status is 'Stripe''s own word; the list is open, so any word is stored';

create table metering.sensors (
  organization_id uuid not null references metering.organizations (id),
  id text not null check (id ~ '^[A-Za-z0-9._:-]{1,128}$'),
  name text not null default '' check (length(name) <= 200),
  registered_at timestamptz not null default now(),
  deactivated_at timestamptz,
  primary key (organization_id, id)
);
comment on column metering.sensors.id is 'the customer''s own name for the sensor';
comment on column metering.sensors.deactivated_at is 'null while the sensor is active';

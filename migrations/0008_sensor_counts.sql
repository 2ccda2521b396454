-- Why: the hourly sensor count happens once per organization and hour, whatever fires twice: this key says so.
-- Locks: nothing that exists.
create table metering.sensor_counts (
  organization_id uuid not null references metering.organizations (id),
  hour timestamptz not null,
  active_sensors integer not null check (active_sensors >= 0),
  primary key (organization_id, hour)
);

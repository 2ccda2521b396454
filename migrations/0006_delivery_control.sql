-- Why: the circuit breaker that all workers share: one row for the account and one for each meter.
-- Locks: nothing that exists.
create table metering.delivery_control (
  scope text primary key check (length(scope) between 1 and 100),
  paused_until timestamptz,
  reason text,
  paused_at timestamptz,
  openings integer not null default 0 check (openings >= 0),
  check ((paused_until is null) = (reason is null) and (paused_until is null) = (paused_at is null))
);
comment on column metering.delivery_control.scope is '''account'', or the name of a meter';
comment on column metering.delivery_control.paused_until is 'null: not paused; infinity: until somebody resumes it; else when one worker may probe';
comment on column metering.delivery_control.openings is 'how often in a row the circuit breaker paused it; each time is longer';
insert into metering.delivery_control (scope) values ('account'), ('temperature_readings'), ('active_sensors');

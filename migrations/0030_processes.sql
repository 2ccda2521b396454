-- Why: nobody could tell from the database whether a worker or an API runs, so `doctor` said that all is well, and `seal`
-- that a worker would do it at once, with none.
-- Locks: nothing that exists.
create table metering.processes (
  id uuid primary key,
  kind text not null check (kind in ('api', 'worker')),
  role_name text not null default current_user,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  stopped_at timestamptz
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
comment on table metering.processes is 'one row for each API and worker that was started; the worker deletes those not seen for 30 days';
comment on column metering.processes.role_name is 'the role of the database that the process connects as';
comment on column metering.processes.seen_at is 'its latest heartbeat; one that works writes it every ten seconds';
comment on column metering.processes.stopped_at is 'when it left in order; null while it runs, and for one that was killed';

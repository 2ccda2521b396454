-- Why: a month that was past its retention and was still there told nobody: what the days are stood in the workers'
-- environment alone, so that neither /metrics of an API nor `doctor` could compare.
-- Locks: nothing that exists.
create table metering.retention (
  table_name text primary key check (table_name in ('readings', 'meter_outbox', 'delivery_attempts')),
  days integer check (days >= 70),
  set_at timestamptz not null default now()
);
comment on table metering.retention is 'how long the workers keep the months of each partitioned table, as their environment says';
comment on column metering.retention.days is 'months that ended longer ago are dropped; null: none ever is';

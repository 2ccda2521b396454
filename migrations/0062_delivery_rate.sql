-- Why: how fast a worker sends at the moment, and may at most, was known to the worker alone. It writes both beside its
-- heartbeat, so that the console shows the rate of all against the limit.
-- Locks: processes exclusively, for a moment.
alter table metering.processes
  add column rate_per_second double precision check (rate_per_second > 0),
  add column rate_per_second_max double precision check (rate_per_second_max > 0);
comment on column metering.processes.rate_per_second is
  'meter events that a worker may send a second, at its latest heartbeat; less than the largest after a 429; null: it sends nothing, or is of a version that did not say it';
comment on column metering.processes.rate_per_second_max is 'STRIPE_MAX_EVENTS_PER_SECOND of a worker';

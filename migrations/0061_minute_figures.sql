-- Why: the console plots what came in, waited and was delivered by the minute, from Postgres alone. Counting that from
-- the rows at each look would cost seconds after a year; a worker counts each minute once, and keeps the figures.
-- Locks: delivery_attempts against writes, while each partition is read once: nothing is settled meanwhile. Where it is
-- large, make the index of each partition before, which stops no writer; this migration then finds and takes them:
--
--   create index concurrently on metering.delivery_attempts_2026_11 using brin (started_at)
--     with (pages_per_range = 32, autosummarize = on);

create table metering.minute_figures (
  minute timestamptz not null check (minute = date_trunc('minute', minute, 'UTC')),
  meter text not null check (length(meter) between 1 and 100),
  entries bigint not null check (entries >= 0),
  quantity numeric not null check (quantity >= 0),
  delivered bigint not null check (delivered >= 0),
  delivered_quantity numeric not null check (delivered_quantity >= 0),
  rejected bigint not null check (rejected >= 0),
  retried bigint not null check (retried >= 0),
  unanswered bigint not null check (unanswered >= 0),
  latencies jsonb not null,
  unsealed_entries bigint check (unsealed_entries >= 0),
  unsealed_seconds double precision check (unsealed_seconds >= 0),
  pending bigint check (pending >= 0),
  pending_seconds double precision check (pending_seconds >= 0),
  primary key (minute, meter),
  check (num_nulls(unsealed_entries, unsealed_seconds, pending, pending_seconds) in (0, 4))
);
comment on table metering.minute_figures is
  'for each minute and meter what was taken in and attempted, counted from the rows, and what waited at its end; a minute without a row was not counted';
comment on column metering.minute_figures.entries is 'entries by their occurred_at; quantity is their usage';
comment on column metering.minute_figures.delivered is
  'attempts that began in the minute, by verdict: delivered, rejected, retried (certainly not counted), unanswered (unknown)';
comment on column metering.minute_figures.latencies is
  'how many of those attempts took how long: key n counts those that took at most 1.1^n ms, and more than 1.1^(n-1) ms';
comment on column metering.minute_figures.unsealed_entries is
  'entries with a paying customer that waited for the seal at the end of the minute, 500,000 at most; null: no worker looked';
comment on column metering.minute_figures.unsealed_seconds is 'the age of the oldest of them: how far the seal is behind';
comment on column metering.minute_figures.pending_seconds is 'the age of the oldest pending usage; 0 in shadow mode';

create table metering.hour_figures (
  like metering.minute_figures including constraints,
  minutes smallint not null check (minutes between 1 and 60)
);
alter table metering.hour_figures rename column minute to hour;
alter table metering.hour_figures
  add primary key (hour, meter),
  add check (hour = date_trunc('hour', hour, 'UTC'));
comment on table metering.hour_figures is
  'minute_figures folded to hours: what happened is added up, of what waited the largest is kept';
comment on column metering.hour_figures.minutes is 'how many of its minutes were counted';

create table metering.figure_progress (
  is_only boolean primary key default true check (is_only),
  written_until timestamptz not null check (written_until = date_trunc('minute', written_until, 'UTC')),
  final_until timestamptz not null check (final_until = date_trunc('minute', final_until, 'UTC')),
  check (isfinite(written_until) and isfinite(final_until))
);
comment on table metering.figure_progress is 'one row, locked by the worker that writes figures: how far they are written';
comment on column metering.figure_progress.written_until is 'end of the latest minute whose figures stand';
comment on column metering.figure_progress.final_until is
  'minutes before it have been counted for the last time; those after it are counted again when their last attempts have ended';
insert into metering.figure_progress (written_until, final_until)
values (date_trunc('minute', now(), 'UTC'), date_trunc('minute', now(), 'UTC'));

create index delivery_attempts_started on metering.delivery_attempts using brin (started_at)
  with (pages_per_range = 32, autosummarize = on);

-- Why: without Prometheus nobody is told of anything. What holds, since when, and what ALERT_WEBHOOK_URL was told of it is
-- kept here, so that several processes tell it once and a restart tells nothing again.
-- Locks: nothing that exists.
create table metering.alerts (
  name text not null check (length(name) between 1 and 100),
  subject text not null check (length(subject) <= 200),
  value double precision,
  true_since timestamptz,
  false_since timestamptz,
  level double precision,
  grown_at timestamptz,
  began_at timestamptz,
  began_told_at timestamptz,
  ended_at timestamptz,
  ended_told_at timestamptz,
  attempts integer not null default 0 check (attempts >= 0),
  next_attempt_at timestamptz not null default '-infinity',
  primary key (name, subject),
  check (ended_at is null or began_at is not null),
  check (ended_told_at is null or ended_at is not null and began_told_at is not null)
);
comment on table metering.alerts is 'one row for each condition of docs/alerts.yaml and what it is about, from the first time it held';
comment on column metering.alerts.subject is 'what it is about, as scope=account; empty where there is one only';
comment on column metering.alerts.true_since is 'since when the condition has been true without a pause; it begins after a while of that';
comment on column metering.alerts.false_since is 'since when it has been false; it ends after a while of that';
comment on column metering.alerts.level is 'of a condition about growth: the latest value, and grown_at when it was higher than before';
comment on column metering.alerts.began_told_at is 'when the receiver took the post of its beginning; null: it is still to be told';
comment on column metering.alerts.next_attempt_at is 'no post before it: a failed one is put off, and one that is under way is not made twice';

-- One process at a time looks at all conditions.
create table metering.alert_watch (
  is_only boolean primary key default true check (is_only),
  looked_at timestamptz not null
);
comment on table metering.alert_watch is 'one row: when a process last began to look at all conditions';
insert into metering.alert_watch (looked_at) values ('-infinity');

-- Why: a pause, a retry, a revoked key change what is billed or who may send, and nothing said who did it, when and why.
-- Each is a row here, written in the transaction of what it did, by the console, the API and the command line.
-- Locks: nothing that exists.
create table metering.operator_actions (
  id uuid primary key default metering.uuid_v7(clock_timestamp()),
  acted_at timestamptz not null default now() check (isfinite(acted_at)),
  via text not null check (via in ('console', 'api', 'cli')),
  operator text not null check (length(operator) <= 80),
  action text not null check (length(action) between 1 and 60),
  organization_id uuid,
  subject text check (length(subject) <= 255),
  reason text check (length(reason) <= 500),
  affected bigint check (affected >= 0)
);
comment on table metering.operator_actions is 'append-only: what operators did, by console, API and command line';
comment on column metering.operator_actions.operator is 'the name given at the console''s sign-in, or the command line''s user; empty where a token is all that is known';
comment on column metering.operator_actions.organization_id is 'null: it concerns the whole account. No reference, so that an action outlives what it was about';
comment on column metering.operator_actions.subject is 'the id of what it was done to, or the scope of a pause';
comment on column metering.operator_actions.affected is 'how many it changed; null where there is nothing to count';
create index operator_actions_organization on metering.operator_actions (organization_id, id);

create trigger operator_action_immutable before update or delete on metering.operator_actions
  for each row execute function metering.refuse_change();
create trigger operator_actions_not_truncated before truncate on metering.operator_actions
  for each statement execute function metering.refuse_change();

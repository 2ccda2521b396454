-- Why: an operator knows an organization by the id of the operator's own records, and ends the ones that have left. The
-- external id stands in every route in place of ours, so that it is unique and has only characters that need no escaping.
-- Locks: organizations, for as long as its few rows are checked and indexed.
alter table metering.organizations
  add column external_id text,
  add column archived_at timestamptz,
  add constraint organizations_external_id_form
    check (external_id ~ '^[A-Za-z0-9._:@-]{1,128}$' and external_id !~ '^external:'),
  add constraint organizations_external_id unique (external_id);
comment on column metering.organizations.external_id is 'the operator''s own id for it; null: it has none';
comment on column metering.organizations.archived_at is
  'since when it takes no readings, sensors or keys, and its sensors are not counted; null: it is not archived';

-- Why: a key that leaked is revoked, and whoever stole the API's role could give it back its life by one update of
-- revoked_at. Revoking is one-way now, for every role.
-- Locks: api_keys against writes for a moment; reads go on.
create trigger api_key_revoked_for_good before update of revoked_at on metering.api_keys
  for each row when (old.revoked_at is not null and new.revoked_at is distinct from old.revoked_at)
  execute function metering.refuse_change();
comment on column metering.api_keys.revoked_at is 'null while the key is good; once set it never changes';

-- Why: what explains a bill shows the idempotency key that each entry was recorded under, so that keys are looked for by
-- entry.
-- Locks: usage_keys against writes, for as long as its index is built.
create index usage_keys_entry on metering.usage_keys (organization_id, entry_id);

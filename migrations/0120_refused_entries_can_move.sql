-- Why: a cluster moves shards by logical replication, and refuses to where a table of theirs has no key that tells its rows
-- apart. This one had none, so `citus_rebalance_start()` and `citus_move_shard_placement` were refused for all tables, and no
-- node could be filled without a mode that says to look away. Its rows were entries, whose key they keep.
-- Locks: refused_entries while its index is built; it holds what migration 0022 put aside, mostly nothing.

alter table metering.refused_entries
  add constraint refused_entries_pkey primary key (organization_id, occurred_at, id);

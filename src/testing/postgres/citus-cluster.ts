/** A node of a cluster: how the tests reach it, and how the other nodes do. */
export type ClusterNode = { url: string; host: string; port: number };

/** A Citus cluster, which may have no database of ours yet. Its own nodes trust each other with the password of their URLs. */
export type CitusCluster = { coordinator: ClusterNode; workers: ClusterNode[]; stop: () => Promise<void> };

/** What each node of a cluster for tests needs. Few shards: a test has few organizations, and each shard of each table has files. */
export const nodeSettings: readonly string[] = [
  "shared_preload_libraries=citus",
  "wal_level=logical",
  "max_connections=500",
  "max_prepared_transactions=500",
  "max_worker_processes=100",
  "citus.node_conninfo=sslmode=disable",
  "citus.enable_unsafe_triggers=on",
  "citus.shard_count=4",
  // As `migrate` sets a database: a copy of the template is not set so.
  "timezone=UTC",
];

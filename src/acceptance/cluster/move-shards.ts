import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import type { ClusterNode } from "../../testing/postgres/citus-cluster.ts";
import { until } from "../../testing/processes/until.ts";

/** Adds a node that is empty but for the extension, and gives it its copies of what every node has. */
export async function addNode(db: Db, node: ClusterNode): Promise<void> {
  await until(() => isAdded(db, node), { what: "the new node to be added" });
  await sql`select replicate_reference_tables()`.execute(db);
}

/** Moves an organization to a node, with its neighbours of the shard, while the service writes. */
export async function moveTo(db: Db, { host, port }: ClusterNode, organizationId: string): Promise<void> {
  await sql`
    select citus_move_shard_placement(l.shardid, n.nodename, n.nodeport, ${host}, ${port}::int)
    from pg_dist_placement l
    join pg_dist_node n on n.groupid = l.groupid
    where l.shardid = get_shard_id_for_distribution_column('metering.sensors', ${organizationId}::uuid)
  `.execute(db);
}

/** A session of the coordinator may still hold a connection to the node that died, and fails once when it uses it. */
function isAdded(db: Db, { host, port }: ClusterNode): Promise<boolean> {
  return sql`select citus_add_node(${host}, ${port}::int)`.execute(db).then(
    () => true,
    (error: unknown) => {
      if (/connection marked as essential/.test(String(error))) return false;
      throw error;
    },
  );
}

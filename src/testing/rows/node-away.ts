import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import type { Shards } from "../../database/shards.ts";

/** Each of these organizations on a node of its own, named by its place; all others on one more. */
export function eachOnItsNode(organizationIds: readonly string[]): Shards {
  return eachOnItsShard((id) => `node ${organizationIds.indexOf(id)}`);
}

/** Each organization on a shard of its own, of the node that `nodeOf` names. */
export function eachOnItsShard(nodeOf: (organizationId: string) => string): Shards {
  const shardOf = (id: string) => ({ id, node: nodeOf(id) });
  return {
    known: shardOf,
    find: (ids) => Promise.resolve(new Map(ids.map((id) => [id, shardOf(id)]))),
    forget: () => undefined,
  };
}

/** A statement that fails as Citus does when a node is away. */
export const refusedAsAway = sql`
  do $$ begin raise exception 'connection to the remote node failed' using errcode = 'connection_failure'; end $$
`;

/** Refuses changes of an organization's rows as Citus does when its node is away. Returns what brings it back. */
export async function takeNodeAway(
  db: Db,
  organizationId: string,
  table: "meter_events" | "subscriptions" | "sensor_counts" = "meter_events",
): Promise<() => Promise<void>> {
  await sql`
    create or replace function metering.refuse_as_away() returns trigger language plpgsql as
      $$ begin raise exception 'connection to the remote node failed' using errcode = 'connection_failure'; end $$
  `.execute(db);
  await sql`
    create trigger node_away before insert or update on ${sql.table(`metering.${table}`)}
      for each row when (new.organization_id = ${sql.lit(organizationId)}::uuid) execute function metering.refuse_as_away()
  `.execute(db);
  return async () => {
    await sql`drop trigger node_away on ${sql.table(`metering.${table}`)}`.execute(db);
  };
}

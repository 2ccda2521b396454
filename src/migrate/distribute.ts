import { sql } from "kysely";
import { listUndelegated } from "../database/cluster.ts";
import type { Db } from "../database/db.ts";
import { meanings } from "../database/new-connection.ts";
import { placement, triggersOfOneServer } from "../database/placement.ts";

/**
 * Distributes the tables of a Citus database as `placement` says, or these tables, and its functions. Returns the names of
 * the ones that were not distributed yet. Each is a transaction of its own, and what is done stays, so that it follows
 * every migration and goes on where it was interrupted. Locks a table while its rows are moved to the nodes. Sets the nodes'
 * sessions as `meanings` says, and to answer a commit once it is on disk.
 */
export async function distribute(
  db: Db,
  tables: { reference: readonly string[]; distributed: readonly string[] } = placement,
): Promise<string[]> {
  await refuseOtherDatabases(db);
  await setNodes(db);
  const placed = await readPlaced(db);
  const isNew = (table: string) => !placed.has(table);
  const references = tables.reference.filter(isNew);
  for (const table of references) {
    await sql`select create_reference_table(${nameOf(table)})`.execute(db);
  }
  for (const { table, trigger } of triggersOfOneServer) {
    await sql`drop trigger if exists ${sql.ref(trigger)} on metering.${sql.ref(table)}`.execute(db);
  }
  const [first] = placement.distributed;
  const distributed = tables.distributed.filter(isNew);
  for (const table of distributed) {
    const beside = table === first ? "default" : nameOf(first);
    await sql`
      select create_distributed_table(${nameOf(table)}, 'organization_id', colocate_with => ${beside})
    `.execute(db);
  }
  const undelegated = await listUndelegated(db);
  for (const { argument, signature } of undelegated) {
    await sql`
      select create_distributed_function(${signature}::regprocedure, ${argument}, colocate_with => ${nameOf(first)})
    `.execute(db);
  }
  return [...references, ...distributed, ...undelegated.map(({ name }) => name)];
}

async function refuseOtherDatabases(db: Db): Promise<void> {
  const { rows } = await sql<{ hasTriggers: boolean }>`
    select coalesce(current_setting('citus.enable_unsafe_triggers', true) = 'on', false) as "hasTriggers"
    from pg_extension where extname = 'citus'
  `.execute(db);
  const [citus] = rows;
  if (citus === undefined) {
    throw new Error(
      "DATABASE_BACKEND=citus needs the extension: run `create extension citus` in this database on every node, and add the nodes",
    );
  }
  if (!citus.hasTriggers) {
    throw new Error(
      "set citus.enable_unsafe_triggers = on, on every node: triggers hold the rules of our tables",
    );
  }
}

/** The coordinator opens the nodes' sessions, and what a connection of ours is set to does not reach them. */
async function setNodes(db: Db): Promise<void> {
  const settings = Object.entries(meanings).map(
    ([name, value]) =>
      `execute format('alter database %I set ${name} = %L', current_database(), '${value}');`,
  );
  const { rows } = await sql<{ node: string; answer: string }>`
    select nodename || ':' || nodeport as node, result as answer
    from run_command_on_workers(${`
      do $$ begin
        -- Else the node refuses: it would tell the other nodes, which is for the coordinator to do.
        set local citus.enable_ddl_propagation = off;
        ${settings.join("\n")}
        if current_setting('synchronous_commit') <> 'remote_apply' then
          execute format('alter database %I set synchronous_commit = on', current_database());
        end if;
      end $$
    `})
    where not success
  `.execute(db);
  const [failed] = rows;
  if (failed !== undefined) throw new Error(`node ${failed.node} could not be set: ${failed.answer}`);
}

/** The tables that are where they belong; one that only has a foreign key to a copied one is known to Citus, too. */
async function readPlaced(db: Db): Promise<Set<string>> {
  const { rows } = await sql<{ table: string }>`
    select c.relname as table
    from pg_dist_partition p
    join pg_class c on c.oid = p.logicalrelid
    where c.relnamespace = 'metering'::regnamespace and (p.partmethod = 'h' or p.repmodel = 't')
  `.execute(db);
  return new Set(rows.map(({ table }) => table));
}

function nameOf(table: string): string {
  return `metering.${table}`;
}

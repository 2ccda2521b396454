import { sql } from "kysely";
import { answerMsMax } from "./ask-node-of.ts";
import { isDatabaseUnavailable } from "./database-unavailable.ts";
import type { Db } from "./db.ts";
import { limitStatement } from "./limit-statement.ts";
import { meanings } from "./new-connection.ts";
import { functionsOfNodes, placement } from "./placement.ts";

/** A node as the coordinator knows it. The coordinator itself is `isCoordinator`. */
export type KnownNode = {
  name: string;
  isCoordinator: boolean;
  isActive: boolean;
  /** How many shards of our tables lie there. */
  shards: number;
};

/** What a node answered about itself; null where it did not answer. */
export type NodeAnswer = { name: string; settings: NodeSettings | null };

/**
 * `others`: settings, with their values, that give a statement another meaning or let a crash lose what was committed; also those
 * of each role that writes tables of ours.
 */
type NodeSettings = { hasUnsafeTriggers: boolean; others: string[] };

/** The extension's version; undefined on plain Postgres. */
export async function readClusterVersion(db: Db): Promise<string | undefined> {
  const { rows } = await sql<{ version: string }>`
    select extversion as version from pg_extension where extname = 'citus'
  `.execute(db);
  return rows[0]?.version;
}

/** The nodes that hold data, the coordinator first. */
export async function listNodes(db: Db): Promise<KnownNode[]> {
  const { rows } = await sql<KnownNode>`
    select n.nodename || ':' || n.nodeport as name, n.groupid = 0 as "isCoordinator", n.isactive as "isActive",
      (
        select count(*)::int
        from pg_dist_placement l
        join pg_dist_shard s on s.shardid = l.shardid
        join pg_dist_partition p on p.logicalrelid = s.logicalrelid
        join pg_class c on c.oid = p.logicalrelid
        where l.groupid = n.groupid and c.relnamespace = 'metering'::regnamespace and p.partmethod = 'h'
      ) as shards
    from pg_dist_node n
    where n.noderole = 'primary'
    order by n.groupid
  `.execute(db);
  return rows;
}

/**
 * Asks every node for a setting without which our triggers cannot be on shards, and for `others`: these not of the coordinator,
 * whose sessions are our own.
 */
export async function askNodes(db: Db): Promise<NodeAnswer[]> {
  const durable = { fsync: "on", full_page_writes: "on", synchronous_commit: "on" };
  const wanted = Object.entries({ ...meanings, ...durable }).map(
    ([name, value]) => `('${name}', '${value}')`,
  );
  // Of a DateStyle Postgres tells the order of days, too. A commit that waits for a standby to apply it is on disk.
  const question = `
    select json_build_object(
      'hasUnsafeTriggers', coalesce(current_setting('citus.enable_unsafe_triggers', true), 'off') = 'on',
      'others', array(
        select concat(name, ' = ', found.value, ' of role ' || found.role)
        from (values ${wanted.join(", ")}) w (name, value)
        cross join lateral (
          select current_setting(name) as value, null as role
          union all
          select split_part(setting, '=', 2), setrole::regrole::text
          from pg_db_role_setting r
          join pg_database d on d.datname = current_database() and r.setdatabase in (0, d.oid)
          cross join unnest(setconfig) setting
          where setrole <> 0 and lower(split_part(setting, '=', 1)) = lower(name)
            and exists (
              select from pg_class
              where relnamespace = to_regnamespace('metering') and relkind in ('r', 'p')
                and has_table_privilege(setrole, oid, 'insert')
            )
        ) found
        where not starts_with(found.value, w.value) and found.value <> 'remote_apply'
          and (select groupid from pg_dist_local_group) <> 0
      )
    )
  `;
  const { rows: nodes } = await sql<NodeAddress>`
    select nodename as host, nodeport as port
    from pg_dist_node
    where noderole = 'primary' and isactive
    order by groupid
  `.execute(db);
  const answers: NodeAnswer[] = [];
  for (const node of nodes) {
    answers.push({ name: `${node.host}:${node.port}`, settings: await askNode(db, node, question) });
  }
  return answers;
}

type NodeAddress = { host: string; port: number };

/** Each alone, and for a short time: one question for all would wait for a node that is silent, and not tell which it is. */
async function askNode(db: Db, { host, port }: NodeAddress, question: string): Promise<NodeSettings | null> {
  try {
    return await db.transaction().execute(async (trx) => {
      await limitStatement(trx, Date.now() + answerMsMax);
      const { rows } = await sql<{ settings: NodeSettings | null }>`
        select case when success then result::json end as settings
        from master_run_on_worker(array[${host}::text], array[${port}::int], array[${question}::text], false)
      `.execute(trx);
      return rows[0]?.settings ?? null;
    });
  } catch (error) {
    if (isDatabaseUnavailable(error)) return null;
    throw error;
  }
}

/** The tables that are not where `placement` says, by name. */
export async function listMisplaced(db: Db): Promise<string[]> {
  const { rows } = await sql<{ table: string }>`
    select wanted.table
    from (
      select unnest(${[...placement.distributed]}::text[]) as table, 'h' as method
      union all
      select unnest(${[...placement.reference]}::text[]), 'n'
    ) wanted
    left join pg_class c on c.relnamespace = 'metering'::regnamespace and c.relname = wanted.table
    left join pg_dist_partition p on p.logicalrelid = c.oid
    where p.partmethod is distinct from wanted.method or (p.partmethod = 'n' and p.repmodel <> 't')
    order by 1
  `.execute(db);
  return rows.map(({ table }) => table);
}

/** A function that runs on the coordinator and not on the organization's node. */
export type Undelegated = { name: string; argument: string; signature: string };

/** The functions of `functionsOfNodes` that a cluster does not run on the nodes of the organizations' tables. */
export async function listUndelegated(db: Db): Promise<Undelegated[]> {
  const names = functionsOfNodes.map(({ name }) => name);
  const { rows } = await sql<Undelegated>`
    select f.name, f.argument, p.oid::regprocedure::text as signature
    from unnest(${names}::text[], ${functionsOfNodes.map(({ argument }) => argument)}::text[]) as f (name, argument)
    join pg_proc p on p.pronamespace = 'metering'::regnamespace and p.proname = f.name
    left join pg_dist_object o on o.classid = 'pg_proc'::regclass and o.objid = p.oid
    left join pg_dist_partition t on t.logicalrelid = ${`metering.${placement.distributed[0]}`}::regclass
    where o.distribution_argument_index is distinct from array_position(p.proargnames, f.argument) - 1
      or o.colocationid is distinct from t.colocationid
    order by 1
  `.execute(db);
  return rows;
}

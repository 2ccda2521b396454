import { type RawBuilder, sql } from "kysely";
import type { Db } from "./db.ts";
import { neededColumns } from "./needed-columns.ts";

export type ProcessKind = "api" | "worker";
type Privilege = "select" | "insert" | "update" | "delete" | "execute" | "usage";

const read = ["select"] as const;
const append = ["select", "insert"] as const;
const change = ["select", "update"] as const;
const write = ["select", "insert", "update"] as const;
const all = ["select", "insert", "update", "delete"] as const;
const call = ["execute"] as const;

const ofBoth: Record<string, readonly Privilege[]> = {
  metering: ["usage"],
  pgboss: ["usage"],
  "metering.kysely_migration": read,
  "metering.subscriptions": write,
  "metering.customer_links": read,
  "metering.customer_organizations": append,
  "metering.sensors": read,
  "metering.meter_outbox": append,
  "metering.meter_events": read,
  "metering.delivery_attempts": read,
  "metering.delivery_control": change,
  "metering.stripe_events": change,
  "metering.processes": write,
  "metering.alerts": write,
  "metering.alert_watch": change,
  "metering.dropped_partitions": read,
  "metering.sensor_counts": write,
  "metering.retention": read,
  "metering.reconciliations": read,
  "metering.reconcile_reads": read,
  "metering.reconcile_requests": read,
  "metering.billing_periods": read,
  "metering.billing_invoices": read,
  "metering.cut_overs": read,
  "metering.minute_figures": read,
  "metering.hour_figures": read,
  "metering.figure_progress": read,
  "metering.usage_sums": read,
  "metering.usage_progress": read,
  "metering.uuid_v7": call,
  "metering.uuid_v7_time": call,
  "metering.versions_of": call,
  "metering.sealed_versions": call,
  "metering.newest_look": call,
  "pgboss.version": read,
  "pgboss.queue": read,
  "pgboss.job": append,
  "pgboss.job_common": append,
};

/**
 * What a process must be allowed to do with a schema, a table (or some of its columns: `neededColumns`) or a function. Without
 * one of these rights single requests or jobs would fail. scripts/roles.sql gives them.
 */
export const neededRights: Record<ProcessKind, Record<string, readonly Privilege[]>> = {
  api: {
    ...ofBoth,
    "metering.organizations": write,
    "metering.api_keys": write,
    "metering.operator_actions": append,
    "metering.sensors": write,
    "metering.readings": append,
    "metering.reading_counts": read,
    "metering.meter_event_total": read,
    "metering.usage_keys": read,
    "metering.stripe_events": write,
    "metering.reconcile_requests": append,
    "metering.make_deliveries_due": call,
    "metering.retry_rejected": call,
    "metering.retry_rejected_events": call,
    "metering.resolve_in_doubt": call,
    "metering.cut_over": call,
    "metering.note_unarchived": call,
    "metering.store_readings": call,
    "metering.hold_shards": call,
  },
  worker: {
    ...ofBoth,
    "metering.organizations": read,
    "metering.meter_outbox": write,
    "metering.meter_events": write,
    "metering.delivery_attempts": append,
    "metering.delivery_control": write,
    "metering.customer_links": change,
    "metering.sensor_changes": ["select", "delete"],
    "metering.processes": all,
    "metering.retention": write,
    "metering.reconciliations": append,
    "metering.reconcile_reads": write,
    "metering.reconcile_requests": ["select", "update", "delete"],
    "metering.billing_periods": write,
    "metering.billing_invoices": write,
    "metering.minute_figures": all,
    "metering.hour_figures": all,
    "metering.figure_progress": change,
    "metering.settle_doubt": call,
    "metering.lock_doubt": call,
    "metering.add_up_meter_events": call,
    "metering.add_up_usage": call,
    "metering.count_readings": call,
    "metering.carry_unsent": call,
    "metering.carry_delivered": call,
    "metering.purge_stripe_events": call,
    "metering.create_partition": call,
    "metering.drop_partition": call,
    "metering.mend_block_ranges": call,
    "pgboss.version": change,
    "pgboss.queue": all,
    "pgboss.schedule": all,
    "pgboss.job": all,
    "pgboss.job_common": all,
  },
};

const ownSchemas = ["metering", "pgboss"];

/**
 * The rights that a role lacks for a process of this kind, such as "insert on metering.readings" or, where it has the right on
 * other columns, "insert (shipment_id) on metering.meter_events", as an expression for a statement; and the tables whose policies
 * would choose the rows that it sees. Reads the catalog alone; a
 * missing table counts as a missing right.
 */
export function missingRights(kind: ProcessKind, role: string | undefined): RawBuilder<string[]> {
  const needed = [...listRights(kind), ...listColumnRights(kind)];
  const name = role === undefined ? sql`current_user` : sql`${role}::name`;
  return sql<string[]>`array(
    select concat(needed.privilege, ' (' || needed.column_name || ')', ' on ', needed.name)
    from unnest(
      ${needed.map((one) => one.name)}::text[], ${needed.map((one) => one.privilege)}::text[],
      ${needed.map((one) => one.column)}::text[]
    ) needed (name, privilege, column_name)
    left join pg_namespace n on n.nspname = split_part(needed.name, '.', 1)
    left join pg_class c
      on needed.privilege not in ('usage', 'execute') and c.relnamespace = n.oid
      and c.relname = split_part(needed.name, '.', 2)
    left join pg_attribute a on a.attrelid = c.oid and a.attname = needed.column_name
    where case
      -- A table of which the role has the right on no column is named alone.
      when needed.column_name is not null then
        has_any_column_privilege(${name}, c.oid, needed.privilege)
          and not coalesce(has_column_privilege(${name}, c.oid, a.attnum, needed.privilege), false)
      else not coalesce(
        case needed.privilege
          when 'usage' then has_schema_privilege(${name}, n.oid, 'usage')
          when 'execute' then (
            select bool_and(has_function_privilege(${name}, p.oid, 'execute'))
            from pg_proc p
            where p.pronamespace = n.oid and p.proname = split_part(needed.name, '.', 2)
          )
          when 'delete' then has_table_privilege(${name}, c.oid, 'delete')
          else has_any_column_privilege(${name}, c.oid, needed.privilege)
        end,
        false
      )
    end
    union all
    select format('the rows of %s.%s, which has row level security', n.nspname, c.relname)
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace and n.nspname = any (${ownSchemas}::text[])
    join pg_roles r on r.rolname = ${name}
    where c.relrowsecurity
      and not (r.rolsuper or r.rolbypassrls)
      and (c.relforcerowsecurity or not pg_has_role(r.oid, c.relowner, 'usage'))
  )`;
}

type Right = { name: string; privilege: string; column: string | null };

function listRights(kind: ProcessKind): Right[] {
  return Object.entries(neededRights[kind]).flatMap(([name, privileges]) =>
    privileges.map((privilege) => ({ name, privilege, column: null })),
  );
}

function listColumnRights(kind: ProcessKind): Right[] {
  return Object.entries(neededColumns[kind]).flatMap(([right, columns]) => {
    const [privilege = "", name = ""] = right.split(" on ");
    return columns.map((column) => ({ name, privilege, column }));
  });
}

/** The same as an answer, for this connection's role or another one. */
export async function readMissingRights(
  db: Db,
  { kind, role }: { kind: ProcessKind; role?: string },
): Promise<string[]> {
  const { rows } = await sql<{ missing: string[] }>`
    select ${missingRights(kind, role)} as missing
  `.execute(db);
  return rows[0]?.missing ?? [];
}

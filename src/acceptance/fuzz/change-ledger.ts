import { sql } from "kysely";
import type { Pool } from "pg";
import { inject } from "vitest";
import type { Db } from "../../database/db.ts";
import { placement } from "../../database/placement.ts";
import { runOnNodes } from "../../testing/postgres/on-nodes.ts";

/** One row that was stored, changed or deleted. */
export type Change = { what: `${string} ${"INSERT" | "UPDATE" | "DELETE"}`; organizationId: string | null };

/** The commits since the last look; empty when nothing changed. */
export type ReadChanges = () => Promise<Change[]>;

/**
 * Makes the test's database note every committed change of the service's tables, and every new job, so that a look
 * costs one short query however much the tables hold. Writing a row's old values is no change, nor is the note that a
 * key was used.
 */
export async function keepChangeLedger({ db, pool }: { db: Db; pool: Pool }): Promise<ReadChanges> {
  const nodesToo = inject("testServer").cluster !== undefined;
  await pool.query(ledgerTable);
  // Where a trigger runs, it notes.
  if (nodesToo) await runOnNodes(pool, ledgerTable);
  // A partition's trigger tells the partition's name, so that the table's comes as an argument.
  await sql`
    create function metering.fuzz_note_change() returns trigger language plpgsql security definer as $$
      begin
        if tg_op = 'UPDATE' and to_jsonb(old) - 'last_used_at' = to_jsonb(new) - 'last_used_at' then return null; end if;
        insert into metering.fuzz_changes (what, organization_id)
        values (tg_argv[0] || ' ' || tg_op, coalesce(to_jsonb(new), to_jsonb(old)) ->> 'organization_id');
        return null;
      end
    $$
  `.execute(db);
  const tables = await sql<{ name: string }>`
    select relname as name from pg_class
    where relnamespace = 'metering'::regnamespace and relkind in ('r', 'p') and not relispartition
      and relname not in ('fuzz_changes', 'kysely_migration', 'kysely_migration_lock')
  `.execute(db);
  for (const { name } of tables.rows) {
    await sql`
      create trigger fuzz_note_change after insert or update or delete on ${sql.table(`metering.${name}`)}
      for each row execute function metering.fuzz_note_change(${sql.lit(name)})
    `.execute(db);
  }
  await sql`
    create trigger fuzz_note_change after insert on pgboss.job
    for each row execute function metering.fuzz_note_change('job')
  `.execute(db);

  return async () => {
    const { rows } = await pool.query<{ taken: string }>(takeChanges);
    const nodes = nodesToo ? await runOnNodes(pool, takeChanges) : [];
    return [...changesIn(rows[0]?.taken), ...nodes.flatMap(changesIn).filter(isOfOneNode)];
  };
}

const ledgerTable = `create table metering.fuzz_changes (
  id bigint generated always as identity, what text not null, organization_id text
)`;

const takeChanges = `
with taken as (delete from metering.fuzz_changes returning id, what, organization_id)
select coalesce(json_agg(json_build_object('what', what, 'organizationId', organization_id) order by id), '[]')::text as taken
from taken
`;

function changesIn(taken = "[]"): Change[] {
  return JSON.parse(taken) as Change[];
}

/** What every node has a copy of is noted by the coordinator, too. */
function isOfOneNode({ what }: Change): boolean {
  return !placement.reference.some((table) => what.startsWith(`${table} `));
}

import { sql } from "kysely";
import type { Db } from "../../database/db.ts";

/** One row that was stored, changed or deleted. */
export type Change = { what: `${string} ${"INSERT" | "UPDATE" | "DELETE"}`; organizationId: string | null };

/** The commits since the last look; empty when nothing changed. */
export type ReadChanges = () => Promise<Change[]>;

/**
 * Makes the test's database note every committed change of the service's tables, and every new job, so that a look
 * costs one short query however much the tables hold. Writing a row's old values is no change, nor is the note that a
 * key was used.
 */
export async function keepChangeLedger(db: Db): Promise<ReadChanges> {
  await sql`
    create table metering.fuzz_changes (
      id bigint generated always as identity, what text not null, organization_id text
    )
  `.execute(db);
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

  let seen = "0";
  return async () => {
    const { rows } = await sql<Change & { id: string }>`
      select c.id::text as id, c.what, c.organization_id as "organizationId"
      from metering.fuzz_changes c where c.id > ${seen} order by c.id
    `.execute(db);
    seen = rows.at(-1)?.id ?? seen;
    return rows.map(({ what, organizationId }) => ({ what, organizationId }));
  };
}

import { z } from "zod";
import type { Pool } from "pg";

const privilegesSchema = z.object({
  select: z.boolean(),
  insert: z.array(z.string()),
  update: z.array(z.string()),
  delete: z.boolean(),
  truncate: z.boolean(),
});

/**
 * The allowed operations on a table: the columns that may be inserted or updated, in the table's own order. To read one
 * column is to read.
 */
export type Privileges = z.infer<typeof privilegesSchema>;

// Each statement runs in a subtransaction; an allowed one may fail for any other reason, and is undone in any case.
const tryEverything = (schema: string) => `
  do $$
  declare
    one record;
    verb text;
    statement text;
    found jsonb := '{}';
  begin
    for one in
      select c.relname, c.oid::regclass as name, a.attname, a.attnum
      from pg_class c join pg_attribute a on a.attrelid = c.oid
      where c.relnamespace = '${schema}'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
      order by c.relname, a.attnum
    loop
      if not found ? one.relname then
        found := jsonb_set(
          found, array[one.relname],
          '{"select": false, "insert": [], "update": [], "delete": false, "truncate": false}'
        );
      end if;
      foreach verb in array array['select', 'delete', 'truncate', 'insert', 'update'] loop
        continue when verb in ('delete', 'truncate') and one.attnum > 1;
        statement := case verb
          when 'select' then format('select %I from %s limit 0', one.attname, one.name)
          when 'delete' then format('delete from %s where false', one.name)
          when 'truncate' then format('truncate %s', one.name)
          when 'insert' then format('insert into %s (%I) values (default)', one.name, one.attname)
          when 'update' then format('update %s set %I = default where false', one.name, one.attname)
        end;
        begin
          execute statement;
          raise exception 'undone';
        exception
          when insufficient_privilege then
            null;
          when feature_not_supported then
            -- A cluster refuses another organization before it looks at rights.
            if has_column_privilege(one.name, one.attname, verb) then
              found := jsonb_insert(found, array[one.relname, verb, '-1'], to_jsonb(one.attname), true);
            end if;
          when others then
            found := case
              when verb in ('insert', 'update')
                then jsonb_insert(found, array[one.relname, verb, '-1'], to_jsonb(one.attname), true)
              else jsonb_set(found, array[one.relname, verb], 'true')
            end;
        end;
      end loop;
    end loop;
    perform set_config('tests.found', found::text, false);
  end
  $$
`;

/**
 * Tries everything on every table of a schema, with the connections of the role in question, and tells by table which
 * operations were not refused. Everything is undone.
 */
export async function readPrivileges(pool: Pool, schema: string): Promise<Record<string, Privileges>> {
  const client = await pool.connect();
  try {
    await client.query(tryEverything(schema));
    const { rows } = await client.query<{ found: string }>("select current_setting('tests.found') as found");
    return z.record(z.string(), privilegesSchema).parse(JSON.parse(rows[0]?.found ?? ""));
  } finally {
    client.release();
  }
}

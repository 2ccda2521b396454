import { sql } from "kysely";
import { expect, inject } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { neededRights, readMissingRights } from "./needed-rights.ts";

const roles = inject("testServer").roles;
const kinds = ["api", "worker"] as const;

test.runIf(roles !== undefined).for(kinds)(
  "the role of the %s has every right that it needs",
  async (kind, { database }) => {
    expect(await readMissingRights(database.as(kind).db, { kind })).toEqual([]);
    expect(await readMissingRights(database.db, { kind, role: roles?.[kind].name ?? "" })).toEqual([]);
  },
);

test.runIf(roles !== undefined).for(kinds)(
  "each right that the %s lost is named",
  async (kind, { database }) => {
    const role = roles?.[kind].name ?? "";
    for (const [name, privileges] of Object.entries(neededRights[kind])) {
      for (const privilege of privileges) {
        const lacking = database.db.transaction().execute(async (trx) => {
          const [on, to] = [sql.raw(objectOf(name, privilege)), sql.id(role)];
          await sql`revoke ${sql.raw(privilege)} on ${on} from ${to}, public`.execute(trx);
          throw new Missing(await readMissingRights(trx, { kind, role }));
        });
        await expect(lacking).rejects.toMatchObject({ rights: [`${privilege} on ${name}`] });
      }
    }
  },
);

test.runIf(roles !== undefined).for(kinds)(
  "a table whose policies would hide rows from the %s is named, and none of its rows is taken for all",
  async (kind, { database }) => {
    await sql`alter table metering.subscriptions enable row level security`.execute(database.db);
    const named = ["the rows of metering.subscriptions, which has row level security"];

    expect(await readMissingRights(database.as(kind).db, { kind })).toEqual(named);
    expect(await readMissingRights(database.db, { kind, role: roles?.[kind].name ?? "" })).toEqual(named);
    expect(await readMissingRights(database.db, { kind })).toEqual([]);
    await expect(database.as(kind).db.selectFrom("subscriptions").selectAll().execute()).rejects.toThrow(
      'query would be affected by row-level security policy for table "subscriptions"',
    );
  },
);

test.runIf(roles !== undefined).for(kinds)(
  "each right that scripts/roles.sql gives the role of the %s in our schema is one whose loss is named",
  async (kind, { database }) => {
    const role = roles?.[kind].name ?? "";
    const { rows } = await sql<{ right: string }>`
      select p.privilege || ' on ' || c.oid::regclass as "right"
      from pg_class c
      cross join unnest(array['select', 'insert', 'update', 'delete']) p (privilege)
      where c.relnamespace = 'metering'::regnamespace
        and c.relkind in ('r', 'p') and not c.relispartition
        and case p.privilege when 'delete' then has_table_privilege(${role}, c.oid, 'delete')
          else has_any_column_privilege(${role}, c.oid, p.privilege) end
      union
      select 'execute on ' || f.pronamespace::regnamespace || '.' || f.proname
      from pg_proc f
      cross join aclexplode(f.proacl) given
      where f.pronamespace = 'metering'::regnamespace and given.grantee = ${role}::regrole
    `.execute(database.db);
    const named = Object.entries(neededRights[kind]).flatMap(([name, privileges]) =>
      privileges.map((privilege) => `${privilege} on ${name}`),
    );
    expect(rows.length).toBeGreaterThan(50);
    expect(rows.map(({ right }) => right).filter((right) => !named.includes(right))).toEqual([]);
  },
);

test.skipIf(roles === undefined || localOnly("the roles may insert into whole tables")).for(kinds)(
  "each column that scripts/roles.sql lets the %s write is one whose loss is named, as after an upgrade without the script",
  async (kind, { database }) => {
    const role = roles?.[kind].name ?? "";
    const { rows } = await sql<{ table: string; privilege: string; column: string }>`
      select c.oid::regclass as table, lower(given.privilege_type) as privilege, a.attname as column
      from pg_class c
      join pg_attribute a on a.attrelid = c.oid
      cross join aclexplode(a.attacl) given
      where c.relnamespace = 'metering'::regnamespace and not c.relispartition and given.grantee = ${role}::regrole
    `.execute(database.db);

    expect(rows.length).toBeGreaterThan(50);
    for (const { table, privilege, column } of rows) {
      const right = sql`${sql.raw(privilege)} (${sql.id(column)}) on ${sql.raw(table)}`;
      const lacking = database.db.transaction().execute(async (trx) => {
        await sql`revoke ${right} from ${sql.id(role)}`.execute(trx);
        throw new Missing(await readMissingRights(trx, { kind, role }));
      });
      const isOnlyOne =
        rows.filter((other) => other.table === table && other.privilege === privilege).length === 1;
      const named = isOnlyOne ? `${privilege} on ${table}` : `${privilege} (${column}) on ${table}`;
      await expect(lacking).rejects.toMatchObject({ rights: [named] });
    }
  },
);

test.runIf(roles !== undefined)("the worker's role lacks what the API needs", async ({ database }) => {
  const missing = await readMissingRights(database.as("worker").db, { kind: "api" });
  expect(missing).toContain("select on metering.api_keys");
  expect(missing).toContain("insert on metering.readings");
});

/** Carries the answer out of the transaction, which is rolled back. */
class Missing extends Error {
  readonly rights: string[];
  constructor(rights: string[]) {
    super(rights.join(", "));
    this.rights = rights;
  }
}

function objectOf(name: string, privilege: string): string {
  if (privilege === "usage") return `schema ${name}`;
  return privilege === "execute" ? `function ${name}` : name;
}

import { randomBytes } from "node:crypto";
import { sql } from "kysely";
import { expect, inject } from "vitest";
import { purgeStripeEvents } from "../billing/inbox.ts";
import { makeApiKey } from "../http/api-key.ts";
import { storeApiKey } from "../organizations/api-keys.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { readTableRows } from "../acceptance/documents/markdown.ts";
import { readDocument } from "../acceptance/documents/read-document.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { type Privileges, readPrivileges } from "../testing/postgres/privileges.ts";
import { apiMay, may, nothing, workerMay } from "../testing/postgres/table-rights.ts";
import type { ServiceRole } from "../testing/postgres/service-roles.ts";
import { ensurePartitions } from "./partitions.ts";

// Where the tests' Postgres role may not create roles, there is nothing to test; the set-up has said so.
const test = databaseTest.runIf(inject("testServer").roles !== undefined);
const services: readonly ServiceRole[] = ["api", "worker"];
const insufficientPrivilege = "42501";
for (const [service, expected] of [
  ["api", apiMay],
  ["worker", workerMay],
] as const) {
  test(`the ${service} may do to our tables what its table says, and to partitions nothing`, async ({
    database,
  }) => {
    const tried = await readPrivileges(database.as(service).pool, "metering");

    const isMonth = (name: string) => /_\d{4}_\d\d$/.test(name);
    const months = Object.entries(tried).filter(([name]) => isMonth(name));
    expect(months.length).toBeGreaterThan(10);
    expect(months.filter(([, privileges]) => JSON.stringify(privileges) !== JSON.stringify(nothing))).toEqual(
      [],
    );
    const tables = Object.entries(tried).filter(([name]) => !isMonth(name));
    expect(byTableOfCluster(Object.fromEntries(tables))).toEqual(byTableOfCluster(expected));
  });
}

/** On a cluster INSERT is a right to a whole table, so that only whether it is there is compared. */
function byTableOfCluster(tables: Record<string, Privileges>): Record<string, unknown> {
  if (inject("testServer").cluster === undefined) return tables;
  const byTable = Object.entries(tables).map(([name, { insert, ...rest }]) => [
    name,
    { ...rest, insert: insert.length > 0 },
  ]);
  return Object.fromEntries(byTable) as Record<string, unknown>;
}

test("an entry that is born sealed is refused, also where a role may insert into every column", async ({
  database,
}) => {
  const organizationId = await addOrganization(database.db);
  await sql`grant insert on metering.meter_outbox to ${sql.id(inject("testServer").roles?.api.name ?? "")}`.execute(
    database.db,
  );
  const insert = (meterEventId: string | null) => sql`
    insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity, meter_event_id)
    values (${organizationId}, now(), gen_random_uuid(), 'temperature_readings', 1, ${meterEventId}::uuid)
  `;

  await insert(null).execute(database.as("api").db);

  await expect(insert(organizationId).execute(database.as("api").db)).rejects.toMatchObject({
    code: insufficientPrivilege,
  });
  await insert(organizationId).execute(database.db);
});

test("docs/security.md tells every column that each role may write, and every function that it may call", async () => {
  const page = await readDocument("docs/security.md");
  const columnsIn = (cell = "") => [...cell.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name).toSorted();
  const told = readTableRows(page, "table").map((row) => ({
    table: columnsIn(row["table"])[0],
    api: [columnsIn(row["the API may insert"]), columnsIn(row["the API may update"])],
    worker: [columnsIn(row["the worker may insert"]), columnsIn(row["the worker may update"])],
  }));
  const writes = ({ insert, update }: Privileges = nothing) => [insert.toSorted(), update.toSorted()];
  const isWritten = ([insert, update]: string[][]) => Number(insert?.length) + Number(update?.length) > 0;
  const expected = Object.keys(apiMay)
    .map((table) => ({ table, api: writes(apiMay[table]), worker: writes(workerMay[table]) }))
    .filter(({ api, worker }) => isWritten(api) || isWritten(worker));
  expect(told).toEqual(expected);

  const calls = readTableRows(page, "function").map(
    ({ function: name = "", role = "" }) => `${role.toLowerCase()} ${name.replaceAll(/`|metering\./g, "")}`,
  );
  const ofAll = [...ofTriggers, ...callableByAll];
  const allowed = services.flatMap((service) =>
    mayCall[service].filter((name) => !ofAll.includes(name)).map((name) => `${service} ${name}`),
  );
  expect(calls.toSorted()).toEqual(allowed.toSorted());
});

test("of pg-boss's tables the API may read what a job needs, and add jobs", async ({ database }) => {
  const tried = await readPrivileges(database.as("api").pool, "pgboss");

  const { job, job_common: jobCommon, queue, version, ...others } = tried;
  expect([job, jobCommon]).toMatchObject([
    { select: true, update: [], delete: false, truncate: false },
    { select: true, update: [], delete: false, truncate: false },
  ]);
  expect(job?.insert).toContain("data");
  expect([queue, version]).toEqual([may(), may()]);
  expect(Object.values(others)).toEqual(Object.values(others).map(() => nothing));
});

test("of pg-boss's tables the worker may change all rows, and truncate none", async ({ database }) => {
  const tried = await readPrivileges(database.as("worker").pool, "pgboss");

  expect(Object.keys(tried)).toContain("job_common");
  for (const privileges of Object.values(tried)) {
    expect(privileges).toMatchObject({ select: true, delete: true, truncate: false });
    expect(privileges.insert).toEqual(privileges.update);
  }
});

const beyondAll = [
  "alter table metering.meter_events disable trigger all",
  "alter table metering.meter_events disable trigger meter_event_immutable",
  "drop trigger entry_immutable on metering.meter_outbox",
  "set session_replication_role = replica",
  "alter table metering.meter_events add column mine int",
  "drop table metering.meter_events",
  "alter table metering.meter_outbox detach partition metering.meter_outbox_default",
  "create or replace function metering.guard_meter_event_state() returns trigger language plpgsql as 'begin return new; end'",
  "do 'begin lock table metering.meter_events in access exclusive mode; end'",
  "create table metering.mine ()",
  "create table pgboss.mine ()",
  "create table public.mine ()",
  "create function metering.mine() returns int language sql as 'select 1'",
  "create schema mine",
  "create role mine",
  "alter role current_user superuser",
  "select rolpassword from pg_authid",
  "select pg_read_file('PG_VERSION')",
  "copy (select 1) to program 'true'",
  "select metering.record_usage(gen_random_uuid(), 'active_sensors', 1)",
];
const callableByAll = ["newest_look", "sealed_versions", "uuid_v7", "uuid_v7_time", "versions_of"];
// A trigger's function cannot be called directly.
const ofTriggers = ["guard_meter_event_state", "refuse_change", "refuse_sealed_entry"];
const mayCall: Record<ServiceRole, string[]> = {
  api: [
    ...ofTriggers,
    "cut_over",
    "hold_shards",
    "make_deliveries_due",
    "note_unarchived",
    "resolve_in_doubt",
    "retry_rejected",
    "retry_rejected_events",
    "store_readings",
    ...callableByAll,
  ],
  worker: [
    ...ofTriggers,
    "add_up_meter_events",
    "add_up_usage",
    "carry_delivered",
    "carry_unsent",
    "count_readings",
    "create_partition",
    "drop_partition",
    "lock_doubt",
    "mend_block_ranges",
    "purge_stripe_events",
    "settle_doubt",
    ...callableByAll,
  ],
};

for (const service of services) {
  test(`the ${service} may call the functions that are meant for it`, async ({ database }) => {
    const { rows } = await sql<{ name: string }>`
      select proname as name from pg_proc
      where pronamespace = 'metering'::regnamespace and has_function_privilege(oid, 'execute')
      order by proname
    `.execute(database.as(service).db);

    expect(rows.map(({ name }) => name)).toEqual(mayCall[service].toSorted());
  });

  test(`the ${service} may neither change the schema nor reach what lies beside it`, async ({ database }) => {
    for (const attempt of beyondAll) {
      const tried = database.as(service).pool.query(attempt);
      await expect(tried, attempt).rejects.toMatchObject({ code: insufficientPrivilege });
    }
  });
}

test("neither may refer to a table, hang a trigger on it or maintain it, nor pass on what it may", async ({
  database,
}) => {
  for (const service of services) {
    const { rows } = await sql<{ right: string }>`
      with ours as (
        select oid, relname, relacl from pg_class
        where relnamespace in ('metering'::regnamespace, 'pgboss'::regnamespace)
      ), acls as (
        select relname as name, relacl as acl from ours
        union all select relname || '.' || attname, attacl from ours join pg_attribute on attrelid = oid
        union all select proname, proacl from pg_proc
        union all select nspname, nspacl from pg_namespace
        union all select datname, datacl from pg_database where datname = current_database()
      )
      select name || ' ' || privilege_type as right from acls, aclexplode(acl)
      where grantee in (0, current_user::regrole)
        and (is_grantable or privilege_type in ('REFERENCES', 'TRIGGER', 'MAINTAIN'))
    `.execute(database.as(service).db);

    expect(rows, service).toEqual([]);
  }
});

test("a key that is revoked stays revoked, whoever asks", async ({ database }) => {
  const organization = await addOrganization(database.db);
  const key = {
    organizationId: organization,
    name: "",
    ...makeApiKey(randomBytes(32)),
    scopes: ["ingest"] as const,
  };
  const stored = await storeApiKey(database.db, key);
  if (stored.kind !== "stored") throw new Error(`the key was not stored: ${stored.kind}`);
  const { id } = stored;
  const ask = (set: string) =>
    database.as("api").pool.query(`update metering.api_keys set ${set} where id = $1`, [id]);
  await ask("revoked_at = now()");

  const forGood = { message: expect.stringContaining("is immutable") };
  await expect(ask("revoked_at = null")).rejects.toMatchObject(forGood);
  await expect(ask("revoked_at = now() + interval '1 day'")).rejects.toMatchObject(forGood);
  const ofOwner = database.pool.query("update metering.api_keys set revoked_at = null");
  await expect(ofOwner).rejects.toMatchObject(forGood);
  // The second call of DELETE, and a use that is noted late.
  await ask("revoked_at = revoked_at");
  await ask("last_used_at = now()");
});

test("the API may neither purge nor partition, and the worker may neither retry nor resolve", async ({
  database,
}) => {
  const refused = { code: insufficientPrivilege };
  const ask = (service: ServiceRole, call: string) =>
    database.as(service).pool.query(`select metering.${call}`);

  await expect(ask("api", "purge_stripe_events(90)")).rejects.toMatchObject(refused);
  await expect(ask("api", "create_partition('readings', '2040-01-01Z')")).rejects.toMatchObject(refused);
  await expect(ask("api", "drop_partition('readings', '2020-01-01Z')")).rejects.toMatchObject(refused);
  await expect(ask("worker", "retry_rejected(null, null, null)")).rejects.toMatchObject(refused);
  await expect(ask("worker", "retry_rejected_events(null)")).rejects.toMatchObject(refused);
  const resolve = "resolve_in_doubt(gen_random_uuid(), 'not_delivered', 'mine')";
  await expect(ask("worker", resolve)).rejects.toMatchObject(refused);
});

test("no function that runs with its owner's rights finds anything by its caller's search path", async ({
  database: { db },
}) => {
  const { rows } = await sql<{ name: string; settings: string[] | null }>`
    select proname as name, proconfig as settings from pg_proc
    where pronamespace in ('metering'::regnamespace, 'pgboss'::regnamespace) and prosecdef
  `.execute(db);

  expect(rows.map(({ name }) => name)).toContain("retry_rejected");
  const isPinned = (settings: string[] | null) =>
    settings?.includes("search_path=pg_catalog, pg_temp") === true;
  expect(rows.filter(({ settings }) => !isPinned(settings))).toEqual([]);
});

test("the worker keeps months ahead of it and the inbox short without owning anything", async ({
  database,
}) => {
  const { db } = database.as("worker");
  await sql`
    insert into metering.stripe_events (event_id, event_type, livemode, payload, received_at, state)
    values ('evt_old', 'x', false, '{}', now() - interval '91 days', 'failed')
  `.execute(database.db);

  const made = await ensurePartitions(db, { now: new Date("2040-01-15T00:00:00Z"), readingsMaxAgeDays: 1 });

  expect(made).toContain("meter_outbox_2040_03");
  expect(await purgeStripeEvents(db, { keptDays: 90 })).toBe(1);
  await expect(purgeStripeEvents(db, { keptDays: 30 })).rejects.toThrow("kept for 31 days at least");
});

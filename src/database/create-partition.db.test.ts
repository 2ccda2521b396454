import { sql } from "kysely";
import { expect } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { until } from "../testing/processes/until.ts";
import type { Db } from "./db.ts";

test.for([
  ["readings_default", "2031-01-01T00:00:00Z", "there is no partitioned table 'readings_default'"],
  ["x; drop table metering.readings", "2031-01-01T00:00:00Z", "there is no partitioned table"],
  ["api_keys", "2031-01-01T00:00:00Z", "there is no partitioned table 'api_keys'"],
  [null, "2031-01-01T00:00:00Z", "there is no partitioned table NULL"],
  ["readings", "2031-01-01T00:00:01Z", "does not begin a UTC month"],
  ["readings", "2031-01-02T00:00:00Z", "does not begin a UTC month"],
  ["readings", "2031-01-01T00:00:00+01:00", "does not begin a UTC month"],
  ["meter_outbox", "1999-12-01T00:00:00Z", "does not begin a UTC month of 2000 to 2099"],
  ["meter_outbox", "2100-01-01T00:00:00Z", "does not begin a UTC month of 2000 to 2099"],
  ["meter_outbox", "infinity", "does not begin a UTC month"],
  ["meter_outbox", null, "NULL does not begin a UTC month"],
] as const)("a partition of %s from %s is refused", async ([table, month, fault], { database: { db } }) => {
  const before = await countTables(db);

  await expect(createPartition(db, table, month)).rejects.toThrow(fault);

  expect(await countTables(db)).toBe(before);
});

test("a month is a UTC month wherever the session is", async ({ database: { db } }) => {
  const { name, bounds } = await db.transaction().execute(async (trx) => {
    await sql`set local timezone = 'Pacific/Auckland'`.execute(trx);
    const made = await createPartition(trx, "meter_outbox", "2031-01-01T00:00:00Z");
    await sql`set local timezone = 'UTC'`.execute(trx);
    return { name: made, bounds: await boundsOf(trx, made) };
  });

  expect(name).toBe("meter_outbox_2031_01");
  expect(bounds).toBe("FOR VALUES FROM ('2031-01-01 00:00:00+00') TO ('2031-02-01 00:00:00+00')");
});

test("a role that owns nothing makes partitions, and they belong to the owner of the table", async ({
  database: { db },
}) => {
  const made = await asStranger(db, async (trx, role) => {
    await sql`grant execute on function metering.create_partition to ${sql.ref(role)}`.execute(trx);
    await sql`set local role ${sql.ref(role)}`.execute(trx);
    // A table of the calling role, which tries to have it found in place of the catalog's.
    await sql`
      create temporary table pg_class as select 'readings_2031_01' as relname, 'metering'::regnamespace as relnamespace
    `.execute(trx);
    const name = await createPartition(trx, "readings", "2031-01-01T00:00:00Z");
    await sql`reset role`.execute(trx);
    const owners = await sql<{ owner: string }>`
      select distinct relowner::regrole::text as owner from pg_catalog.pg_class
      where relname in (${name}, 'readings') and relnamespace = 'metering'::regnamespace
    `.execute(trx);
    return { name, owners: owners.rows.map(({ owner }) => owner === role) };
  });

  expect(made).toEqual({ name: "readings_2031_01", owners: [false] });
});

test("a role that was not granted it makes no partition", async ({ database: { db } }) => {
  const tried = asStranger(db, async (trx, role) => {
    await sql`set local role ${sql.ref(role)}`.execute(trx);
    return createPartition(trx, "readings", "2031-01-01T00:00:00Z");
  });

  await expect(tried).rejects.toThrow("permission denied for function create_partition");
});

test("intake waits no longer than a moment for a partition that a long reader keeps from being made", async ({
  database: { db },
}) => {
  const { id: organizationId } = await db
    .insertInto("organizations")
    .values({ name: "Acme" })
    .returning("id")
    .executeTakeFirstOrThrow();
  // As pg_dump does.
  const reader = await db.startTransaction().execute();
  await sql`select count(*) from metering.meter_outbox`.execute(reader);
  const making = { isOver: false };
  const failed = createPartition(db, "meter_outbox", "2031-01-01T00:00:00Z")
    .catch((error: unknown) => String(error))
    .finally(() => Object.assign(making, { isOver: true }));

  const tookMs: number[] = [];
  while (!making.isOver) {
    const startedAt = performance.now();
    await db.selectFrom("meter_outbox").select("id").where("organization_id", "=", organizationId).execute();
    tookMs.push(performance.now() - startedAt);
  }
  expect(await failed).toContain("lock timeout");
  await reader.commit().execute();

  expect(tookMs.length).toBeGreaterThan(10);
  // Three tries at the lock make three waits, 200 ms each at most; a slow machine makes one or two of them longer.
  expect(tookMs.toSorted((a, b) => b - a)[2]).toBeLessThan(1_500);
  expect(await createPartition(db, "meter_outbox", "2031-01-01T00:00:00Z")).toBe("meter_outbox_2031_01");
});

test("a partition is made as soon as a reader lets it", async ({ database: { db } }) => {
  const reader = await db.startTransaction().execute();
  await sql`select count(*) from metering.meter_outbox`.execute(reader);
  const made = createPartition(db, "meter_outbox", "2031-01-01T00:00:00Z");
  await until(() => isLockAwaited(db), { what: "the default partition to be wanted" });
  await reader.commit().execute();

  expect(await made).toBe("meter_outbox_2031_01");
});

/** Runs `work` in a transaction that holds a role which may look into the schema; the transaction is rolled back. */
async function asStranger<T>(db: Db, work: (trx: Db, role: string) => Promise<T>): Promise<T> {
  const role = `stranger_${crypto.randomUUID().slice(0, 8)}`;
  const trx = await db.startTransaction().execute();
  try {
    await sql`create role ${sql.ref(role)}`.execute(trx);
    await sql`grant usage on schema metering to ${sql.ref(role)}`.execute(trx);
    return await work(trx, role);
  } finally {
    await trx.rollback().execute();
  }
}

async function createPartition(db: Db, table: string | null, month: string | null): Promise<string | null> {
  const { rows } = await sql<{ name: string | null }>`
    select metering.create_partition(${table}, ${month}::timestamptz) as name
  `.execute(db);
  return rows[0]?.name ?? null;
}

async function isLockAwaited(db: Db): Promise<boolean> {
  const { rows } = await sql`
    select from pg_locks
    where not granted and relation = 'metering.meter_outbox_default'::regclass
      and database = (select oid from pg_database where datname = current_database())
  `.execute(db);
  return rows.length > 0;
}

async function boundsOf(db: Db, partition: string | null): Promise<string | undefined> {
  const { rows } = await sql<{ bounds: string }>`
    select pg_get_expr(relpartbound, oid) as bounds from pg_class
    where relname = ${partition} and relnamespace = 'metering'::regnamespace
  `.execute(db);
  return rows[0]?.bounds;
}

async function countTables(db: Db): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from pg_class where relnamespace = 'metering'::regnamespace
  `.execute(db);
  return rows[0]?.count ?? 0;
}

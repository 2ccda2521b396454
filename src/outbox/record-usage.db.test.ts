import { readFile } from "node:fs/promises";
import { sql } from "kysely";
import type { Pool, PoolClient } from "pg";
import { expect, inject } from "vitest";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { countWaitingForLocks } from "../testing/postgres/locks.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { meterNames, meters } from "../usage/meters.ts";

type Usage = {
  organization?: string | null;
  meter?: string | null;
  quantity?: number | string | null;
  /** An SQL expression. */
  at?: string;
  key?: string | null;
};

const unknown = "00000000-0000-7000-8000-000000000000";

/** Vitest's `test` with an organization, and a call by another service. */
const test = databaseTest.extend("usage", async ({ database: { db, pool } }) => {
  const organizationId = await addOrganization(db);

  async function record(usage: Usage = {}, client: Pool | PoolClient = pool): Promise<string> {
    const {
      organization = organizationId,
      meter = "active_sensors",
      quantity = 7,
      at = "now()",
      key = null,
    } = usage;
    const { rows } = await client.query<{ id: string }>(
      `select metering.record_usage($1, $2, $3, ${at}, $4) as id`,
      [organization, meter, quantity, key],
    );
    return rows[0]?.id ?? "";
  }
  const entries = async () => (await db.selectFrom("meter_outbox").selectAll().execute()).map(({ id }) => id);
  const keys = () => db.selectFrom("usage_keys").selectAll().execute();
  return { organizationId, record, entries, keys };
});

test("usage that is recorded is one entry, as the meter's own are", async ({ usage, database: { db } }) => {
  const id = await usage.record({ at: "now() - interval '90.123456 seconds'" });

  const [entry, ...others] = await db
    .selectFrom("meter_outbox")
    .selectAll()
    .select(sql<boolean>`occurred_at = metering.uuid_v7_time(id)`.as("is_time_in_id"))
    .execute();
  expect(others).toEqual([]);
  expect(entry).toMatchObject({
    id,
    organization_id: usage.organizationId,
    meter: "active_sensors",
    quantity: "7",
    meter_event_id: null,
    is_time_in_id: true,
  });
});

test("time and key may be left out: then it is now, and each call counts", async ({ usage, database }) => {
  const call = `select metering.record_usage('${usage.organizationId}', 'active_sensors', 1)`;
  await database.pool.query(`begin; ${call}; ${call}; commit`);

  const entries = await database.db.selectFrom("meter_outbox").select("occurred_at").execute();
  expect(entries).toHaveLength(2);
  expect(Math.abs(Date.now() - Number(entries[0]?.occurred_at))).toBeLessThan(60_000);
  expect(await usage.keys()).toEqual([]);
});

test("usage is undone with the caller's transaction, and its key with it", async ({ usage, database }) => {
  const client = await database.pool.connect();
  try {
    await client.query("begin");
    await usage.record({ key: "invoice-1" }, client);
    await client.query("rollback");
  } finally {
    client.release();
  }
  expect(await usage.entries()).toEqual([]);

  const id = await usage.record({ key: "invoice-1" });
  expect(await usage.entries()).toEqual([id]);
});

test("the same key again is answered with the first entry, and writes nothing", async ({ usage }) => {
  const first = await usage.record({ key: "invoice-1" });

  expect(await usage.record({ key: "invoice-1" })).toBe(first);
  expect(await usage.record({ key: "invoice-1", at: "now() - interval '1 day'" })).toBe(first);
  expect(await usage.record({ key: "invoice-1", at: "now() - interval '100 days'" })).toBe(first);
  expect(await usage.entries()).toEqual([first]);
});

test("another key, and another organization's same key, are other usage", async ({
  usage,
  database: { db },
}) => {
  const organization = await addOrganization(db);
  await usage.record({ key: "invoice-1" });
  await usage.record({ key: "invoice-2" });
  await usage.record({ key: "invoice-1", organization });

  expect(await usage.entries()).toHaveLength(3);
});

for (const other of [{ quantity: 8 }, { meter: "temperature_readings" }]) {
  test(`a key that was used for other usage is refused: ${JSON.stringify(other)}`, async ({ usage }) => {
    await usage.record({ key: "invoice-1" });

    await expect(usage.record({ key: "invoice-1", ...other })).rejects.toMatchObject({
      code: "23000",
      message: "idempotency key 'invoice-1' was used for other usage",
      detail: expect.stringMatching(/^It recorded 7 of active_sensors, not /) as unknown,
    });
    expect(await usage.entries()).toHaveLength(1);
  });
}

test("of many callers with one key at once, one writes, and all get its entry", async ({ usage }) => {
  const ids = await Promise.all(Array.from({ length: 8 }, () => usage.record({ key: "invoice-1" })));

  expect(new Set(ids).size).toBe(1);
  expect(await usage.entries()).toEqual([ids[0]]);
});

for (const [ending, writes] of [
  ["commit", "nothing"],
  ["rollback", "its own"],
] as const) {
  test(`a caller whose key is in an open transaction waits, and after its ${ending} writes ${writes}`, async ({
    usage,
    database: { pool },
  }) => {
    const holder = await pool.connect();
    try {
      await holder.query("begin");
      const first = await usage.record({ key: "invoice-1" }, holder);
      const second = usage.record({ key: "invoice-1" });
      await expect.poll(() => countWaitingForLocks(pool)).toBe(1);
      await holder.query(ending);

      expect((await second) === first).toBe(ending === "commit");
      expect(await usage.entries()).toEqual([await second]);
    } finally {
      holder.release(true);
    }
  });
}

test("a caller whose snapshot is older than its key is told to begin again", async ({
  usage,
  database: { pool },
}) => {
  const client = await pool.connect();
  try {
    await client.query("begin isolation level repeatable read");
    await client.query("select from metering.usage_keys");
    await usage.record({ key: "invoice-1" });

    await expect(usage.record({ key: "invoice-1" }, client)).rejects.toMatchObject({ code: "40001" });
  } finally {
    await client.query("rollback");
    client.release();
  }
  expect(await usage.entries()).toHaveLength(1);
});

const notANumber = "22003";
const notATime = "22008";
for (const [what, change, code] of [
  ["an unknown organization", { organization: unknown }, "23503"],
  ["an unknown organization with a key", { organization: unknown, key: "invoice-1" }, "23503"],
  ["an unknown meter", { meter: "humidity" }, "22023"],
  ["a negative quantity", { quantity: -1 }, notANumber],
  ["a quantity that could overflow an hour's sum", { quantity: 1_000_000_000_000 }, notANumber],
  ["a time more than 33 days ago", { at: "now() - interval '33 days 1 second'" }, notATime],
  ["a time of which no id can be made", { at: "timestamptz '290000-01-01'" }, notATime],
  ["a time more than 5 minutes ahead", { at: "now() + interval '5 minutes 10 seconds'" }, notATime],
  ["a time that never comes", { at: "'infinity'" }, notATime],
  ["an empty key", { key: "" }, "22023"],
  ["a key of 256 characters", { key: "k".repeat(256) }, "22023"],
  ["no organization", { organization: null }, "22004"],
  ["no meter", { meter: null }, "22004"],
  ["no quantity", { quantity: null }, "22004"],
  ["no time", { at: "null" }, "22004"],
] as const) {
  test(`${what} is refused with ${code}, and nothing is written`, async ({ usage }) => {
    await expect(usage.record(change)).rejects.toMatchObject({ code });

    expect(await usage.entries()).toEqual([]);
    expect(await usage.keys()).toEqual([]);
  });
}

for (const [what, change] of [
  ["no quantity at all, as a count may be", { quantity: 0 }],
  ["the greatest quantity", { quantity: 999_999_999_999 }],
  ["a time almost 33 days ago", { at: "now() - interval '32 days 23 hours 59 minutes'" }],
  ["a time almost 5 minutes ahead", { at: "now() + interval '4 minutes 50 seconds'" }],
  ["a key of 255 characters", { key: "k".repeat(255) }],
] as const) {
  test(`${what} is taken`, async ({ usage }) => {
    const id = await usage.record(change);

    expect(await usage.entries()).toEqual([id]);
  });
}

test("the meters that SQL takes are the program's own", async ({ database: { db } }) => {
  const stored = await db.selectFrom("meters").select(["name", "aggregation"]).orderBy("name").execute();

  const own = meterNames.map((name) => ({ name, aggregation: meters[name].aggregation }));
  expect(stored).toEqual(own.toSorted((a, b) => (a.name < b.name ? -1 : 1)));
});

const mayCreateRoles = inject("testServer").roles !== undefined;

/** Vitest's `test` with a session of a role that has the rights which the manual names, and no others. */
const otherServiceTest = test.extend("exporter", async ({ usage, database: { pool } }, { onCleanup }) => {
  const client = await pool.connect();
  onCleanup(async () => {
    await client.query("rollback");
    client.release();
  });
  const role = `exporter_${usage.organizationId.replaceAll("-", "")}`;
  await client.query(
    `begin; create role ${role}; grant ${role} to current_user; ${(await readGrants()).replaceAll("exporter", role)}`,
  );
  await client.query(`set local role ${role}`);
  return client;
});

otherServiceTest.runIf(mayCreateRoles)(
  "a role with the rights that the manual names may record usage",
  async ({ usage, exporter }) => {
    const id = await usage.record({ key: "invoice-1" }, exporter);

    expect(await usage.record({ key: "invoice-1" }, exporter)).toBe(id);
  },
);

otherServiceTest.runIf(mayCreateRoles)(
  "a role with the rights that the manual names may do nothing else",
  async ({ exporter, database }) => {
    const { rows } = await database.pool.query<{ name: string }>(`
    select oid::regclass::text as name from pg_class
    where relnamespace = 'metering'::regnamespace and relkind in ('r', 'p') order by 1
  `);
    expect(rows.map(({ name }) => name)).toContain("metering.usage_keys");
    for (const { name } of rows) {
      for (const attempt of [
        `select from ${name}`,
        `insert into ${name} default values`,
        `delete from ${name}`,
        `truncate ${name}`,
      ]) {
        await exporter.query("savepoint before_the_attempt");
        await expect(exporter.query(attempt), attempt).rejects.toMatchObject({ code: "42501" });
        await exporter.query("rollback to savepoint before_the_attempt");
      }
    }
  },
);

test("nobody may record usage without having been granted it", async ({ database: { db } }) => {
  const { rows } = await sql`
    select from pg_proc, aclexplode(proacl) where proname = 'record_usage' and grantee <> proowner
  `.execute(db);

  expect(rows).toEqual([]);
});

/** The statements that the manual gives to the operator of another service. */
async function readGrants(): Promise<string> {
  const manual = await readFile(new URL("../../docs/record-usage.md", import.meta.url), "utf8");
  const grants = /## Rights\n+```sql[^\n]*\n(.*?)```/s.exec(manual)?.[1];
  if (grants === undefined) throw new Error("the manual names no rights");
  return grants;
}

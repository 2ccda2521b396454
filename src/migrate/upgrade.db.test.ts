import { sql } from "kysely";
import { expect, inject } from "vitest";
import { silentLog } from "../log.ts";
import { emptyDatabaseTest } from "../testing/postgres/empty-database-fixture.ts";
import { migrate } from "./migrate.ts";
import { createMigrator } from "./migrations.ts";
import type { Db } from "../database/db.ts";

/** Three meter events with attempts: of this month, of the year before, and one that was tried twice over a month's end. */
const attemptsOfBefore = sql`
  insert into metering.delivery_attempts (
    organization_id, meter_event_id, attempt, started_at, duration_ms, verdict, http_status, code, message, stripe_request_id
  )
  values
    ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-00000000000a', 1, now(), 20, 'delivered', 200, null, null, 'req_1'),
    ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-00000000000b', 1, now() - interval '1 year', 21, 'delivered', 200, null, null, 'req_2'),
    ('00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-00000000000c', 1, '2025-03-31T23:59:59.999999Z', 22, 'retry', 500, 'api_error', 'Try again.', null),
    ('00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-00000000000c', 2, '2025-04-01T00:00:00Z', 23, 'delivered', 200, null, null, 'req_3')
`;

/** Vitest's `test` with a database of the last version before retention, and attempts in it. */
const test = emptyDatabaseTest.extend("before", async ({ empty }) => {
  await sql`create schema metering`.execute(empty.db);
  const { error } = await createMigrator(empty.db).migrateTo("0015_entry_traceparent");
  if (error !== undefined) throw error;
  await attemptsOfBefore.execute(empty.db);
  return { attempts: await readAttempts(empty.db) };
});

test("attempts of before lie in the months in which they started, as they were", async ({
  empty,
  before,
}) => {
  await migrate({ databaseUrl: empty.url, log: silentLog });

  expect(before.attempts).toHaveLength(4);
  expect(await readAttempts(empty.db)).toEqual(before.attempts);
  const { rows } = await sql<{ partition: string }>`
    select tableoid::regclass::text as partition from metering.delivery_attempts order by started_at limit 2
  `.execute(empty.db);
  expect(rows.map(({ partition }) => partition)).toEqual([
    "metering.delivery_attempts_2025_03",
    "metering.delivery_attempts_2025_04",
  ]);
  const stray = await sql`select from metering.delivery_attempts_default`.execute(empty.db);
  expect(stray.rows).toEqual([]);
});

test("attempts of before stay append-only", async ({ empty, before }) => {
  await migrate({ databaseUrl: empty.url, log: silentLog });

  const changing = sql`update metering.delivery_attempts set verdict = 'retry'`.execute(empty.db);

  await expect(changing).rejects.toThrow("is immutable");
  expect(await readAttempts(empty.db)).toEqual(before.attempts);
});

test.runIf(inject("testServer").roles !== undefined)(
  "a worker of the version before goes on writing attempts, and may no more than before",
  async ({ empty, before }) => {
    const worker = inject("testServer").roles?.worker.name ?? "";
    const rights = sql<{ rights: string }>`
      select string_agg(privilege_type, ', ' order by privilege_type) as rights
      from information_schema.role_table_grants
      where table_schema = 'metering' and table_name = 'delivery_attempts' and grantee = ${worker}
    `;
    await sql`grant select, insert on metering.delivery_attempts to ${sql.ref(worker)}`.execute(empty.db);

    await migrate({ databaseUrl: empty.url, log: silentLog });

    expect(before.attempts).toHaveLength(4);
    expect((await rights.execute(empty.db)).rows).toEqual([{ rights: "INSERT, SELECT" }]);
  },
);

async function readAttempts(db: Db): Promise<unknown[]> {
  return db
    .selectFrom("delivery_attempts")
    .selectAll()
    .orderBy("meter_event_id")
    .orderBy("attempt")
    .execute();
}

import { sql } from "kysely";
import { expect } from "vitest";
import { silentLog } from "../log.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { type Database, openDatabase } from "./pool.ts";

const insert = sql`insert into metering.organizations (name) values ('Acme')`;

/** A pool of three connections, and a switch that makes the server read-only for sessions that begin from now on. */
const test = databaseTest
  .extend("way", async ({ database }, { onCleanup }) => {
    const way = openDatabase(
      { connectionString: database.url, applicationName: "renewal", connectionsMax: 3 },
      silentLog,
    );
    onCleanup(way.close);
    return way;
  })
  .extend("allow", ({ database }) => async (access: "reading" | "writing") => {
    const isOff = access === "writing" ? "off" : "on";
    await sql`
      do $$ begin execute format('alter database %I set default_transaction_read_only = ${sql.raw(isOff)}', current_database()); end $$
    `.execute(database.db);
  });

test("after a switchover one write fails, however many connections lead to the old server", async ({
  way,
  allow,
}) => {
  await allow("reading");
  await openAll(way);
  await allow("writing");

  await expect(insert.execute(way.db)).rejects.toMatchObject({ code: "25006" });

  await Promise.all([insert.execute(way.db), insert.execute(way.db), insert.execute(way.db)]);
});

test("a connection that was reading when another found the server read-only is not used again", async ({
  way,
  allow,
}) => {
  await allow("reading");
  await way.db.connection().execute(async (reading) => {
    await expect(insert.execute(way.db)).rejects.toMatchObject({ code: "25006" });
    await allow("writing");
    await sql`select 1`.execute(reading);
  });
  await insert.execute(way.db);
});

test("while the server may only be read, writes in a loop open few connections, and then find the writer", async ({
  way,
  allow,
}) => {
  await allow("reading");
  let opened = 0;
  way.pool.on("connect", () => void (opened += 1));
  const begunAtMs = performance.now();
  for (let n = 0; n < 60; n += 1) {
    const write = n % 2 === 0 ? insert.execute(way.db) : insertByPool(way.pool);
    await expect(write).rejects.toMatchObject({ code: "25006" });
  }
  // One more for each second that a busy machine takes.
  expect(opened).toBeLessThanOrEqual(3 + Math.floor((performance.now() - begunAtMs) / 1_000));

  await allow("writing");
  await until(
    () =>
      insertByPool(way.pool).then(
        () => true,
        () => false,
      ),
    { what: "the writer to be found" },
  );
  await insert.execute(way.db);
});

test("a connection whose server goes away is ended", async ({ way, database }) => {
  const ended = await way.db.connection().execute(async (own) => {
    const before = await readPid(own);
    await expect(
      sql`do $$ begin raise exception 'going away' using errcode = 'cannot_connect_now'; end $$`.execute(own),
    ).rejects.toMatchObject({ code: "57P03" });
    return before;
  });
  expect(await readPid(way.db)).not.toBe(ended);
  await until(
    async () =>
      (await sql`select from pg_stat_activity where pid = ${ended}`.execute(database.db)).rows.length === 0,
    { what: "the session to end" },
  );
});

test.for([
  { set: "off", held: "on" },
  { set: "local", held: "on" },
  { set: "remote_apply", held: "remote_apply" },
])(
  "where synchronous_commit is $set, a connection commits with $held",
  async ({ set, held }, { way, database }) => {
    await sql`
    do $$ begin
      execute format('alter database %I set synchronous_commit = ${sql.raw(set)}', current_database());
      execute format('alter database %I set jit = on', current_database());
    end $$
  `.execute(database.db);
    const said = await sql<{ commit: string; jit: string }>`
    select current_setting('synchronous_commit') as commit, current_setting('jit') as jit
  `.execute(way.db);
    expect(said.rows).toEqual([{ commit: held, jit: "off" }]);
  },
);

async function readPid(db: Database["db"]): Promise<number | undefined> {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db);
  return rows[0]?.pid;
}

async function openAll({ db }: Database): Promise<void> {
  await db.connection().execute((one) =>
    db.connection().execute(async (other) => {
      await Promise.all([one, other, db].map((way) => sql`select 1`.execute(way)));
    }),
  );
}

/** The intake takes its connection from the pool itself, and so does this. */
async function insertByPool(pool: Database["pool"]): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("insert into metering.organizations (name) values ('Acme')");
  } finally {
    client.release();
  }
}

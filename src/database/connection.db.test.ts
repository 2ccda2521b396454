import { sql } from "kysely";
import { expect } from "vitest";
import { problemOf } from "../http/failure.ts";
import { silentLog } from "../log.ts";
import { createBoss } from "../queue/boss.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { isDatabaseAway, isDatabaseUnavailable } from "./database-unavailable.ts";
import { openDatabase } from "./pool.ts";

type Change = (url: URL) => void;

const refusals: Record<string, Change> = {
  "a password that was changed": (url) => void (url.password = "the-one-before"),
  "a role that is gone": (url) => void (url.username = "gone"),
  "a database that was renamed": (url) => void (url.pathname = "/renamed"),
  "a server that speaks no TLS any more": (url) => url.searchParams.set("sslmode", "verify-full"),
};

test.for(Object.entries(refusals))(
  "while a process runs, %s is answered 503, and what was kept is tried again",
  async ([, change], { database }) => {
    const error = await failureAt(changed(database.url, change), "select 1");

    expect(isDatabaseUnavailable(error)).toBe(true);
    expect(problemOf(error)).toMatchObject({ fields: { status: 503, code: "database_unavailable" } });
    // A process that starts so does not wait for it to pass.
    expect(isDatabaseAway(error)).toBe(false);
  },
);

test("so it is on a connection of pg-boss", async ({ database }) => {
  const databaseUrl = changed(database.url, (url) => (url.pathname = "/renamed"));
  const boss = createBoss({ databaseUrl, role: "api", connectionsMax: 1 }, silentLog);

  const error = await boss.start().catch((reason: unknown) => reason);

  expect(isDatabaseUnavailable(error)).toBe(true);
});

test("a statement that a right is missing for is no such failure", async ({ database }) => {
  const error = await failureAt(
    database.url,
    "do $$ begin raise insufficient_privilege using message = 'permission denied'; end $$",
  );
  expect(error).toMatchObject({ code: "42501" });
  expect(isDatabaseUnavailable(error)).toBe(false);
});

test("a caller who waits too long for a connection that others use is told so", async ({ database }) => {
  const options = { applicationName: "connection test", connectionsMax: 1, connectTimeoutMs: 50 };
  const way = openDatabase({ connectionString: database.url, ...options }, silentLog);
  const used = await way.pool.connect();
  try {
    const error: unknown = await sql`select 1`.execute(way.db).catch((reason: unknown) => reason);
    const { fields } = problemOf(error);
    expect(fields).toMatchObject({ status: 503, code: "database_unavailable" });
    expect(fields.detail).toContain("No connection to the database came free");
    expect(isDatabaseUnavailable(error)).toBe(true);
  } finally {
    used.release();
    await way.close();
  }
});

function changed(address: string, change: Change): string {
  const url = new URL(address);
  change(url);
  return url.href;
}

async function failureAt(connectionString: string, statement: string): Promise<unknown> {
  const way = openDatabase(
    { connectionString, applicationName: "connection test", connectionsMax: 1 },
    silentLog,
  );
  try {
    return await sql
      .raw(statement)
      .execute(way.db)
      .catch((error: unknown) => error);
  } finally {
    await way.close();
  }
}

import { sql } from "kysely";
import { expect } from "vitest";
import { openDatabase } from "../database/pool.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { openThroughPooler } from "../testing/postgres/transaction-pooler.ts";
import { awaitSchema } from "./await-schema.ts";

test("a process that starts on settings which lose commits says so, and starts", async ({ database }) => {
  const name = new URL(database.url).pathname.slice(1);
  await sql`alter database ${sql.id(name)} set synchronous_commit = off`.execute(database.db);
  const { log, events } = createRecordingLog();
  const way = { connectionString: database.url, applicationName: "start", connectionsMax: 2 };
  const { db, close } = openDatabase(way, log);
  try {
    expect(await awaitSchema({ db, log })).toBe(true);
  } finally {
    await close();
  }
  expect(events).toMatchObject([
    {
      event: "database_not_durable",
      faults: expect.arrayContaining([expect.stringMatching(/^synchronous_commit is off/)]),
    },
  ]);
});

test("a process refuses to start behind a pooler that gives each transaction another session", async ({
  database,
}) => {
  const { log, events } = createRecordingLog();
  const { db, close } = openThroughPooler(database.url);
  try {
    expect(await awaitSchema({ db, log })).toBe(false);
  } finally {
    await close();
  }
  expect(events).toEqual([
    {
      event: "start_refused",
      reason: "shared_sessions",
      message: expect.stringContaining("session mode") as unknown,
    },
  ]);
});

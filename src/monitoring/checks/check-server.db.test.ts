import { randomBytes } from "node:crypto";
import { expect, inject, onTestFinished, test } from "vitest";
import { sql } from "kysely";
import { openDatabase } from "../../database/pool.ts";
import { silentLog } from "../../log.ts";
import { urlOfDatabase } from "../../testing/net/test-server.ts";
import { databaseTest } from "../../testing/postgres/database-fixture.ts";
import { checkServer, judgeWrites } from "./check-server.ts";

const primary = { isStandby: false, isReadOnly: false, awaited: "", standbys: 0 };

test.each([
  [{}, "it takes writes"],
  [{ awaited: "replica", standbys: 1 }, "it takes writes"],
  [
    { awaited: "replica" },
    "each commit waits for a standby (synchronous_standby_names is replica), and none is connected",
  ],
  [{ isReadOnly: true }, "it is read-only"],
  [{ isStandby: true, isReadOnly: true }, "it is a standby"],
])("of %j it says so", (change, detail) => {
  const found = judgeWrites({ ...primary, ...change });
  expect(found.detail).toBe(detail);
  expect(found.state).toBe(detail === "it takes writes" ? "ok" : "problem");
});

databaseTest("a database that is not UTF8 is a problem", async ({ database }) => {
  const name = `${inject("testServer").prefix}${randomBytes(6).toString("hex")}`;
  await sql`
    create database ${sql.id(name)} template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'
  `.execute(database.db);
  const { db, close } = openDatabase(
    { connectionString: urlOfDatabase(database.url, name), applicationName: "latin", connectionsMax: 1 },
    silentLog,
  );
  const encodings = async (of: typeof db) =>
    (await checkServer(of)).filter(({ check }) => check === "encoding");

  try {
    expect(await encodings(db)).toMatchObject([
      { state: "problem", detail: expect.stringContaining("LATIN1") },
    ]);
    expect(await encodings(database.db)).toMatchObject([{ state: "ok" }]);
  } finally {
    await close();
    await sql`drop database ${sql.id(name)} with (force)`.execute(database.db);
  }
});

databaseTest("a disk that takes nothing more is a problem", async ({ database }) => {
  // For temporary files: such a limit is answered with an error of the same class as a full disk.
  const name = sql.id(new URL(database.url).pathname.slice(1));
  await sql`alter database ${name} set temp_file_limit = 0`.execute(database.db);
  const { db, close } = openDatabase(
    { connectionString: database.url, applicationName: "full", connectionsMax: 1 },
    silentLog,
  );
  onTestFinished(close);

  expect(await checkServer(db)).toContainEqual(
    expect.objectContaining({
      check: "writable",
      state: "problem",
      detail: expect.stringContaining("its disk takes nothing more: temporary file size exceeds"),
    }),
  );
});

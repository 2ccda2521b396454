import { sql } from "kysely";
import { expect, test } from "vitest";
import { silentLog } from "../log.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { durabilityFaults, readDurabilityFaults } from "./durability.ts";
import { openDatabase } from "./pool.ts";

const durable = { fsync: "on", fullPageWrites: "on", synchronousCommit: "on" };

test("settings that lose commits are told, each in its words", () => {
  expect(durabilityFaults(durable)).toEqual([]);
  expect(durabilityFaults({ ...durable, synchronousCommit: "remote_apply" })).toEqual([]);
  expect(durabilityFaults({ fsync: "off", fullPageWrites: "off", synchronousCommit: "off" })).toEqual([
    expect.stringMatching(/^fsync is off/),
    expect.stringMatching(/^full_page_writes is off/),
    expect.stringMatching(/^synchronous_commit is off/),
  ]);
});

databaseTest(
  "what the database says to other programs is told though we say better",
  async ({ database, onTestFinished }) => {
    const name = new URL(database.url).pathname.slice(1);
    await sql`alter database ${sql.id(name)} set synchronous_commit = off`.execute(database.db);
    const later = openDatabase(
      { connectionString: database.url, applicationName: "later", connectionsMax: 1 },
      silentLog,
    );
    onTestFinished(later.close);
    expect(await readDurabilityFaults(later.db)).toContainEqual(
      expect.stringMatching(/^synchronous_commit is off/),
    );
  },
);

import { sql } from "kysely";
import { expect, onTestFinished } from "vitest";
import { silentLog } from "../log.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import type { Db } from "./db.ts";
import { inOneSnapshot } from "./one-snapshot.ts";
import { openDatabase } from "./pool.ts";

const snapshotOf = async (db: Db) => {
  const { rows } = await sql<{ snapshot: string; session: number }>`
    select pg_current_snapshot()::text as snapshot, pg_backend_pid() as session
  `.execute(db);
  return rows[0];
};

const threeReads = (db: Db) =>
  inOneSnapshot(db, (read) => Promise.all([read(snapshotOf), read(snapshotOf), read(snapshotOf)]));

function open(url: string, connectionsMax: number): Db {
  const { db, close } = openDatabase(
    { connectionString: url, applicationName: "snapshots", connectionsMax },
    silentLog,
  );
  onTestFinished(close);
  return db;
}

const spreads = test.skipIf(
  localOnly("the nodes of a cluster lend no snapshot, so one connection does all reads"),
);

spreads(
  "reads go on connections of their own and see one snapshot, although others write meanwhile",
  async ({ database: { url, db } }) => {
    const read = new AbortController();
    onTestFinished(() => read.abort());
    const writing = (async () => {
      while (!read.signal.aborted) await sql`select pg_current_xact_id()`.execute(db);
    })();

    const begun = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
    const readBesideOthers = (place: number) => async (trx: Db) => {
      begun[place]?.resolve();
      await Promise.all(begun.map(({ promise }) => promise));
      return snapshotOf(trx);
    };
    const reads = await inOneSnapshot(open(url, 3), (one) =>
      Promise.all([one(readBesideOthers(0)), one(readBesideOthers(1)), one(readBesideOthers(2))]),
    );

    read.abort();
    await writing;
    expect(new Set(reads.map((one) => one?.snapshot)).size).toBe(1);
    expect(new Set(reads.map((one) => one?.session)).size).toBe(3);
  },
);

test("callers who have two connections together all get their answers, each of one snapshot", async ({
  database: { url },
}) => {
  const db = open(url, 2);

  const answers = await Promise.all([threeReads(db), threeReads(db), threeReads(db), threeReads(db)]);

  for (const reads of answers) {
    expect(reads).toHaveLength(3);
    expect(new Set(reads.map((read) => read?.snapshot)).size).toBe(1);
  }
});

test("a snapshot is lent until the last connection has taken it", async ({ database: { url } }) => {
  const db = open(url, 3);
  await threeReads(db);

  for (let times = 0; times < 50; times += 1) {
    const reads = await threeReads(db);
    expect(new Set(reads.map((one) => one?.snapshot)).size).toBe(1);
  }
});

test("in an open transaction the reads are done by it", async ({ database: { db } }) => {
  const { own, reads } = await db
    .transaction()
    .execute(async (trx) => ({ own: await snapshotOf(trx), reads: await threeReads(trx) }));

  expect(reads.map((read) => read?.session)).toEqual(Array.from({ length: 3 }, () => own?.session));
});

spreads("the error of a read is told, and the connections serve the next", async ({ database: { url } }) => {
  const db = open(url, 3);
  const failure = Promise.withResolvers<void>();
  const waitForFailure = async (trx: Db) => {
    await failure.promise;
    return snapshotOf(trx);
  };
  const fail = (trx: Db) => sql`select 1 / 0`.execute(trx).finally(failure.resolve);

  const refused = inOneSnapshot(db, (read) => Promise.all([read(waitForFailure), read(fail)]));

  await expect(refused).rejects.toThrow("division by zero");
  expect(await threeReads(db)).toHaveLength(3);
});

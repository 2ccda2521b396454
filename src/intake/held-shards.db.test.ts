import pg from "pg";
import { expect } from "vitest";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { countWaitingForLocks } from "../testing/postgres/locks.ts";
import { commitHere, isOnNode } from "../testing/rows/commit-here.ts";
import { findViolations } from "../testing/rows/invariants.ts";
import { addScattered } from "../testing/rows/neighbours.ts";
import type { Reading } from "../usage/reading.ts";

const test = databaseTest
  .extend("organizations", ({ database: { pool } }) => addScattered(pool))
  .runIf(isOnNode);

const readings: Reading[] = [{ sensorId: "a", recordedAt: "2026-11-01T00:00:00.000000Z", temperature: 4.5 }];
const batchOf = (organizationId: string) => ({ organizationId, readings });
const accepted = [{ status: "accepted" }];
const shardOf = "select get_shard_id_for_distribution_column('metering.usage_sums', $1::uuid) as shard";

test("readings wait while Citus keeps writers from their shard, and not for another shard", async ({
  database: { db, pool, url },
  organizations: [first = "", second = ""],
}) => {
  const { rows } = await pool.query<{ shard: string; port: number }>(
    `select s.shard, n.nodeport as port from (${shardOf}) s
     join pg_dist_placement p on p.shardid = s.shard join pg_dist_node n using (groupid)`,
    [first],
  );
  const node = new URL(url);
  node.port = String(rows[0]?.port);
  const mover = new pg.Client({ connectionString: node.href });
  await mover.connect();
  try {
    // As a move does before its last step: 7 is EXCLUSIVE.
    await mover.query("begin");
    await mover.query("select lock_shard_metadata(7, array[$1::bigint])", [rows[0]?.shard]);
    const stored = commitHere(pool, [batchOf(first)]);
    await expect.poll(() => countWaitingForLocks(pool)).toBe(1);
    expect(await commitHere(pool, [batchOf(second)])).toEqual([accepted]);
    await mover.query("commit");

    expect(await stored).toEqual([accepted]);
  } finally {
    await mover.end();
  }
  expect(await findViolations(db)).toEqual([]);
});

test("readings of organizations of two nodes are not stored in one call: all are refused, and one by one accepted", async ({
  database: { db, pool },
  organizations: [near = "", , far = ""],
}) => {
  await expect(commitHere(pool, [batchOf(near), batchOf(far)])).rejects.toMatchObject({ code: "MO001" });
  expect(await db.selectFrom("readings").selectAll().execute()).toEqual([]);

  expect(await commitHere(pool, [batchOf(near)])).toEqual([accepted]);
  expect(await commitHere(pool, [batchOf(far)])).toEqual([accepted]);
  expect(await findViolations(db)).toEqual([]);
});

test("while Citus does not trust the nodes' metadata, it asks none, and it is certain that nothing is stored", async ({
  database: { db, pool },
  organizations: [first = ""],
}) => {
  // As citus_update_node does, until a worker of Citus has sent the metadata.
  await pool.query("update pg_dist_node set metadatasynced = false where groupid <> 0");
  await expect(commitHere(pool, [batchOf(first)])).rejects.toMatchObject({ code: "57P03" });
  expect(await db.selectFrom("readings").selectAll().execute()).toEqual([]);

  await pool.query("update pg_dist_node set metadatasynced = true where groupid <> 0");
  expect(await commitHere(pool, [batchOf(first)])).toEqual([accepted]);
  expect(await findViolations(db)).toEqual([]);
});

test("a session in which Citus asks no node is thrown away, and the readings are stored in another", async ({
  database: { db, pool },
  organizations: [first = ""],
}) => {
  const client = await pool.connect();
  // As in a session in which the extension has failed before, it runs the function itself in a transaction of several statements.
  await client.query("begin");
  client.release();

  expect(await commitHere(pool, [batchOf(first)])).toEqual([accepted]);
  expect(await findViolations(db)).toEqual([]);
});

import type { Pool } from "pg";
import { expect } from "vitest";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { findViolations } from "../testing/rows/invariants.ts";
import { countWaitingForLocks } from "../testing/postgres/locks.ts";
import type { Reading } from "../usage/reading.ts";
import type { StoredAs } from "./judge-stored.ts";
import { storeReadings } from "./store-readings.ts";

const rounds = 60;
const batchSize = 40;
/** Each of two batches of a round shares this many readings with the other. */
const overlap = 30;

const test = databaseTest.extend("organizationId", async ({ database: { db } }) => {
  const created = await db.insertInto("organizations").values({ name: "Acme" }).returning("id").execute();
  const organizationId = String(created[0]?.id);
  await db.insertInto("sensors").values({ organization_id: organizationId, id: "a" }).execute();
  return organizationId;
});

/** Readings of sensor `a`, a second apart; every third differs by gateway. */
function batch(firstSecond: number, gateway: number): Reading[] {
  return Array.from({ length: batchSize }, (_, n) => {
    const second = firstSecond + n;
    const recordedAt = new Date(Date.UTC(2026, 10, 1) + second * 1_000).toISOString().replace("Z", "000Z");
    return { sensorId: "a", recordedAt, temperature: second % 3 === 0 ? gateway : second };
  });
}

test("batches that overlap, stored at once in opposite orders, never deadlock and count each reading once", async ({
  database: { db, pool },
  organizationId,
}) => {
  for (let round = 0; round < rounds; round++) {
    const firstSecond = round * 2 * batchSize;
    const upwards = batch(firstSecond, -1);
    const downwards = batch(firstSecond + batchSize - overlap, -2).toReversed();
    const answers = await Promise.all([
      storeOn(pool, organizationId, upwards),
      storeOn(pool, organizationId, downwards),
    ]);
    expect(contradictions([...upwards, ...downwards], answers.flat())).toEqual([]);
  }
  const { rows } = await pool.query("select count(*)::int as readings from metering.readings");
  expect(rows).toEqual([{ readings: rounds * (2 * batchSize - overlap) }]);
  expect(await findViolations(db)).toEqual([]);
});

test("the loser of a race is told what the winner stored, though it committed after the loser's snapshot", async ({
  database: { pool },
  organizationId,
}) => {
  const [same, changed] = [batch(1, -1).slice(0, 1), batch(3, -1).slice(0, 1)];
  const winner = await pool.connect();
  try {
    await winner.query("begin");
    await storeReadings(winner, organizationId, [...same, ...changed]);
    const loser = storeOn(pool, organizationId, [...same, ...batch(3, -2).slice(0, 1)]);
    await expect.poll(() => countWaitingForLocks(pool)).toBe(1);
    await winner.query("commit");

    expect(await loser).toMatchObject([{ status: "duplicate" }, { status: "rejected", code: "conflict" }]);
  } finally {
    // Ends its transaction too, if the test has failed before.
    winner.release(true);
  }
});

test("a reading that another caller took back is accepted", async ({
  database: { db, pool },
  organizationId,
}) => {
  const readings = batch(0, -1);
  const quitter = await pool.connect();
  try {
    await quitter.query("begin");
    await storeReadings(quitter, organizationId, readings);
    const answer = storeOn(pool, organizationId, readings);
    await expect.poll(() => countWaitingForLocks(pool)).toBe(1);
    await quitter.query("rollback");

    expect(new Set((await answer).map(({ status }) => status))).toEqual(new Set(["accepted"]));
    expect(await findViolations(db)).toEqual([]);
  } finally {
    quitter.release(true);
  }
});

async function storeOn(pool: Pool, organizationId: string, readings: Reading[]): Promise<StoredAs[]> {
  const client = await pool.connect();
  try {
    return await storeReadings(client, organizationId, readings);
  } finally {
    client.release();
  }
}

/** The moments whose answers do not say that one caller was accepted, and how the other one's value compares. */
function contradictions(readings: Reading[], answers: StoredAs[]): string[] {
  const told = readings.map((reading, n) => ({ ...reading, answer: answers[n] }));
  return told
    .filter((one) => {
      const others = told.filter((other) => other !== one && other.recordedAt === one.recordedAt);
      if (one.answer?.status === "accepted")
        return others.some(({ answer }) => answer?.status === "accepted");
      const [winner] = others.filter(({ answer }) => answer?.status === "accepted");
      const isSame = winner?.temperature === one.temperature;
      return winner === undefined || one.answer?.status !== (isSame ? "duplicate" : "rejected");
    })
    .map(({ recordedAt }) => recordedAt);
}

import type { Pool } from "pg";
import { expect } from "vitest";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { findViolations } from "../testing/rows/invariants.ts";
import { addNeighbours } from "../testing/rows/neighbours.ts";
import { commitHere, isOnNode } from "../testing/rows/commit-here.ts";
import { countWaitingForLocks, holdOpen } from "../testing/postgres/locks.ts";
import type { Reading } from "../usage/reading.ts";
import type { StoredAs } from "./judge-stored.ts";

const rounds = 60;
const batchSize = 40;
const groupRounds = 15;
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
  const winner = await holdStored(pool, organizationId, [...same, ...changed]);
  const loser = storeOn(pool, organizationId, [...same, ...batch(3, -2).slice(0, 1)]);
  await expect.poll(() => countWaitingForLocks(pool)).toBe(1);
  await winner.commit();

  expect(await loser).toMatchObject([{ status: "duplicate" }, { status: "rejected", code: "conflict" }]);
});

test("a reading that another caller took back is accepted", async ({
  database: { db, pool },
  organizationId,
}) => {
  const readings = batch(0, -1);
  const quitter = await holdStored(pool, organizationId, readings);
  const answer = storeOn(pool, organizationId, readings);
  await expect.poll(() => countWaitingForLocks(pool)).toBe(1);
  await quitter.rollback();

  expect(new Set((await answer).map(({ status }) => status))).toEqual(new Set(["accepted"]));
  expect(await findViolations(db)).toEqual([]);
});

test("requests of several organizations, stored at once in opposite orders, never deadlock and count each reading once", async ({
  database: { db, pool },
}) => {
  const organizations = await addNeighbours(pool, 4);
  for (let round = 0; round < groupRounds; round++) {
    const firstSecond = round * 2 * batchSize;
    const upwards = batch(firstSecond, -1);
    const downwards = batch(firstSecond + batchSize - overlap, -2).toReversed();
    const [one, other] = await Promise.all([
      commitHere(
        pool,
        organizations.map((organizationId) => ({ organizationId, readings: upwards })),
      ),
      commitHere(
        pool,
        organizations.toReversed().map((organizationId) => ({ organizationId, readings: downwards })),
      ),
    ]);
    for (const [n] of organizations.entries()) {
      const answers = [...(one[n] ?? []), ...(other.at(-1 - n) ?? [])];
      expect(contradictions([...upwards, ...downwards], answers)).toEqual([]);
    }
  }
  const { rows } = await pool.query("select count(*)::int as readings from metering.readings");
  expect(rows).toEqual([{ readings: organizations.length * groupRounds * (2 * batchSize - overlap) }]);
  expect(await findViolations(db)).toEqual([]);
});

test("a reading whose sensor is registered while it is stored is accepted, or its sensor unknown", async ({
  database: { db, pool },
  organizationId,
}) => {
  const held = await holdOpen(
    pool,
    `insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
       values ($1, 'a', '2026-11-01', 0, gen_random_uuid())`,
    [organizationId],
  );
  const [first] = batch(0, 0);
  const readings = [
    { ...first, sensorId: "a" },
    { ...first, sensorId: "b" },
  ] as Reading[];
  const answer = storeOn(pool, organizationId, readings);
  await expect.poll(() => countWaitingForLocks(pool)).toBe(1);
  await pool.query("insert into metering.sensors (organization_id, id) values ($1, 'b')", [organizationId]);
  await held();

  const told = (await answer).map((one) => ("code" in one ? one.code : one.status));
  expect(told).toEqual(["accepted", isOnNode ? "accepted" : "unknown_sensor"]);
  expect(await findViolations(db)).toEqual([]);
});

/** Another caller's readings, in a transaction that stays open until it is ended. */
async function holdStored(pool: Pool, organizationId: string, readings: Reading[]) {
  const holder = await pool.connect();
  await holder.query("begin");
  const row = ({ sensorId, recordedAt, temperature }: Reading) =>
    `('${organizationId}', '${sensorId}', '${recordedAt}', ${temperature}, gen_random_uuid())`;
  await holder.query(
    `insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
     values ${readings.map(row).join()}`,
  );
  const end = (how: "commit" | "rollback") => async () => {
    await holder.query(how);
    holder.release();
  };
  return { commit: end("commit"), rollback: end("rollback") };
}

async function storeOn(pool: Pool, organizationId: string, readings: Reading[]): Promise<StoredAs[]> {
  const [stored = []] = await commitHere(pool, [{ organizationId, readings }]);
  return stored;
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

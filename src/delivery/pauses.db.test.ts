import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { account, endPause, pauseDelivery, pauseMeter, readPauses, trip } from "./pauses.ts";

const meter = "temperature_readings";
const away = { scope: account, reason: "stripe_unavailable", firstMs: 5_000, maxMs: 300_000 };

/** How long the account's pause lasts, by the clock of the database that made it. */
async function pausedSeconds(db: Db): Promise<number> {
  const { paused_until: until, paused_at: at } = await db
    .selectFrom("delivery_control")
    .select(["paused_until", "paused_at"])
    .where("scope", "=", account)
    .executeTakeFirstOrThrow();
  return Math.round((Number(until) - Number(at)) / 1_000);
}

test("Stripe's word that a meter is deactivated leaves an operator's pause of it", async ({
  database: { db },
}) => {
  await pauseDelivery(db, "maintenance", meter);
  const [before] = await readPauses(db);

  expect(await db.transaction().execute((trx) => pauseMeter(trx, meter))).toBe(false);

  const pause = { scope: meter, reason: "maintenance", until: null, pausedAt: before?.pausedAt };
  expect(await readPauses(db)).toMatchObject([pause]);
});

test("the same word twice is one pause, since the first", async ({ database: { db } }) => {
  expect(await db.transaction().execute((trx) => pauseMeter(trx, meter))).toBe(true);
  const [first] = await readPauses(db);

  expect(await db.transaction().execute((trx) => pauseMeter(trx, meter))).toBe(false);

  expect(await readPauses(db)).toMatchObject([
    { scope: meter, reason: "meter_deactivated", pausedAt: first?.pausedAt },
  ]);
});

test("the first pause after a probe that got through is short again", async ({ database: { db } }) => {
  for (let failures = 0; failures < 5; failures += 1) await trip(db, away, { isProbe: failures > 0 });
  expect(await endPause(db, account)).toBe(true);

  await trip(db, away, { isProbe: false });

  expect(await pausedSeconds(db)).toBe(5);
});

test("an outage of weeks is paused for as an outage of an hour", async ({ database: { db } }) => {
  await trip(db, away, { isProbe: false });
  // Twelve failed probes an hour.
  await db.updateTable("delivery_control").set({ openings: 5_000 }).where("scope", "=", account).execute();
  const [before] = await readPauses(db);

  expect(await trip(db, away, { isProbe: true })).toBe(true);

  const [pause] = await readPauses(db);
  expect(pause?.pausedAt).toEqual(before?.pausedAt);
  expect(await pausedSeconds(db)).toBeGreaterThanOrEqual(300);
});

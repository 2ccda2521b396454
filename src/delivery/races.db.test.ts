import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { silentLog } from "../log.ts";
import { sealDueEntries } from "../outbox/seal.ts";
import { passSeconds } from "../acceptance/model/pass-time.ts";
import {
  addUsage,
  countAttempts,
  countBy,
  countJobs,
  meet,
  readIds,
  readKeys,
  sealGauge,
  sealOneEach,
} from "../acceptance/model/sealed-events.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { beginAttempts } from "./begin-attempts.ts";
import { account, claimProbe, trip } from "./pauses.ts";
import { rejectOfCustomer } from "./reject.ts";
import { retryRejected } from "./retry-rejected.ts";
import { type FinishedAttempt, settleAttempts } from "./settle.ts";
import { supersedeGauges } from "./supersede-gauges.ts";
import { sweepMeterEvents } from "./sweep.ts";
import { type TakenJob, takeJobs } from "./take-jobs.ts";

type Deps = { db: Db; boss: PgBoss };

const lease = { leaseSeconds: 45 };
const pastTheLease = 60;
/** Each race is run this often, all at once, so that the two meet in every order. */
const races = 24;

test("two workers that take the same jobs take each once", async ({ database: { db }, boss }) => {
  await sealOneEach({ db, boss }, races);
  await meet(db);
  const [one, other] = await Promise.all([takeAll({ db, boss }), takeAll({ db, boss })]);
  expect(idsOf([...one, ...other]).toSorted()).toEqual(await readIds(db));
});

test("two workers that begin the same attempt begin it once", async ({ database: { db }, boss }) => {
  await sealOneEach({ db, boss }, races);
  const keys = await readKeys(db);
  await meet(db);
  const begun = await Promise.all([
    beginAttempts(db, keys, lease),
    beginAttempts(db, keys, lease),
    ...keys.map((key) => beginAttempts(db, [key], lease)),
  ]);
  expect(begun.flat()).toHaveLength(races);
  expect(await countBy(db, "attempts_started")).toEqual({ 1: races });
});

test("an attempt that is settled twice at once is recorded once", async ({ database: { db }, boss }) => {
  await sealOneEach({ db, boss }, races);
  const taken = await takeAll({ db, boss });
  const delivered = taken.map((one) => finishedAs(one, "delivered"));
  const rejected = taken.map((one) => finishedAs(one, "rejected"));
  await meet(db);
  const settled = await Promise.all([
    settleAttempts({ db, boss }, delivered),
    settleAttempts({ db, boss }, rejected),
    ...delivered.map((one) => settleAttempts({ db, boss }, [one])),
  ]);
  expect(settled.reduce((sum, ids) => sum + ids.size, 0)).toBe(races);
  expect(await countAttempts(db)).toBe(races);
});

test("a worker that overslept its lease either settles or is overtaken by the next attempt, never both", async ({
  database: { db },
  boss,
}) => {
  await sealOneEach({ db, boss }, races);
  const taken = await takeAll({ db, boss });
  await passSeconds(db, pastTheLease);
  await meet(db);
  const outcomes = await Promise.all(
    taken.map(async (one) => {
      const [settled, begun] = await Promise.all([
        settleAttempts({ db, boss }, [finishedAs(one, "delivered")]),
        beginAttempts(db, [one.attempt], lease),
      ]);
      return settled.size + begun.length;
    }),
  );
  expect(outcomes).toEqual(taken.map(() => 1));
  expect(await countAttempts(db)).toBe((await countBy(db, "state"))["delivered"] ?? 0);
});

test("good news that comes while the sweep gives an event up is not lost", async ({
  database: { db },
  boss,
}) => {
  await sealOneEach({ db, boss }, races);
  const taken = await takeAll({ db, boss });
  await passSeconds(db, 24 * 3_600);
  await meet(db);
  await Promise.all([
    sweepMeterEvents({ db, boss }, lease),
    ...taken.map((one) => settleAttempts({ db, boss }, [finishedAs(one, "delivered")])),
    sweepMeterEvents({ db, boss }, lease),
  ]);
  expect(await countBy(db, "state")).toEqual({ delivered: races });
});

test("two sweeps at once move each event once", async ({ database: { db }, boss }) => {
  await sealOneEach({ db, boss }, races);
  await takeAll({ db, boss });
  await passSeconds(db, 24 * 3_600);
  await meet(db);
  const swept = await Promise.all([1, 2, 3].map(() => sweepMeterEvents({ db, boss }, lease)));
  expect(swept.reduce((sum, { in_doubt }) => sum + in_doubt, 0)).toBe(races);
  expect(await countBy(db, "state")).toEqual({ in_doubt: races });
});

test("two sweeps at once remind of each event once", async ({ database: { db }, boss }) => {
  await sealOneEach({ db, boss }, races);
  await sql`delete from pgboss.job`.execute(db);
  await passSeconds(db, 120);
  await meet(db);
  const swept = await Promise.all([1, 2, 3].map(() => sweepMeterEvents({ db, boss }, lease)));
  expect(swept.reduce((sum, { reminded }) => sum + reminded, 0)).toBe(races);
  expect(await countJobs(db, "temperature_readings")).toBe(races);
});

test("an older gauge value is superseded or begun, never both", async ({ database: { db }, boss }) => {
  const older = await sealOneEach({ db, boss }, races, { meter: "active_sensors", hour: 2 });
  for (const organizationId of older) await sealGauge({ db, boss }, organizationId, 1);
  const keys = await readKeys(db, 2);
  await meet(db);
  const [superseded, ...begun] = await Promise.all([
    supersedeGauges(db, lease),
    ...keys.map((key) => beginAttempts(db, [key], lease)),
  ]);
  expect(superseded + begun.flat().length).toBe(races);
  expect(await readKeys(db, 2, "superseded")).toHaveLength(superseded);
});

test("two operators that retry the same events retry each once", async ({ database: { db }, boss }) => {
  await sealOneEach({ db, boss }, races);
  const taken = await takeAll({ db, boss });
  await settleAttempts(
    { db, boss },
    taken.map((one) => finishedAs(one, "rejected")),
  );
  await meet(db);
  const retried = await Promise.all([1, 2, 3].map(() => retryRejected({ db, boss }, {})));
  expect(retried.reduce((sum, count) => sum + count, 0)).toBe(races);
  expect(await countBy(db, "state")).toEqual({ pending: races });
  expect(await countJobs(db, "temperature_readings")).toBe(races);
});

test("what is retried while the attempt before it ends is retried once, and that attempt changes nothing", async ({
  database: { db },
  boss,
}) => {
  await sealOneEach({ db, boss }, races);
  const taken = await takeAll({ db, boss });
  for (let n = 0; n < races; n += 1) {
    await db.transaction().execute((trx) => rejectOfCustomer(trx, `cus_${n}`));
  }
  await meet(db);
  const [one, other, ...settled] = await Promise.all([
    retryRejected({ db, boss }, {}),
    retryRejected({ db, boss }, {}),
    ...taken.map((late) => settleAttempts({ db, boss }, [finishedAs(late, "delivered")])),
  ]);
  expect(one + other).toBe(races);
  expect(settled.flatMap((ids) => [...ids])).toEqual([]);
  expect(await countBy(db, "state")).toEqual({ pending: races });
  expect(await countAttempts(db)).toBe(0);
});

test("of all workers one gets the probe of a pause that is over", async ({ database: { db } }) => {
  await trip(db, { scope: account, reason: "unauthorized", firstMs: 1, maxMs: 1 }, { isProbe: false });
  await passSeconds(db, 10);
  await meet(db);
  const claims = await Promise.all(Array.from({ length: races }, () => claimProbe(db, account, lease)));
  expect(claims.filter((isClaimed) => isClaimed)).toHaveLength(1);
});

test("workers that fail at once pause once", async ({ database: { db } }) => {
  const pause = { scope: account, reason: "unauthorized", firstMs: 60_000, maxMs: 60_000 };
  await meet(db);
  const trips = await Promise.all(Array.from({ length: races }, () => trip(db, pause, { isProbe: false })));
  expect(trips.filter((isTripped) => isTripped)).toHaveLength(1);
});

test("two seals at once seal each entry once", async ({ database: { db }, boss }) => {
  for (let n = 0; n < races; n += 1)
    await addUsage(db, `cus_${n}`, { meter: "temperature_readings", hour: 1 });
  await meet(db);
  const sealed = await Promise.all(
    [1, 2, 3].map(() =>
      sealDueEntries({ db, boss }, { meters: ["temperature_readings"], eventsPerShipmentMin: Infinity }),
    ),
  );
  expect(sealed.reduce((sum, { entries }) => sum + entries, 0)).toBe(3 * races);
  expect(sealed.reduce((sum, { events }) => sum + events, 0)).toBe(races);
  expect(await countJobs(db, "temperature_readings")).toBe(races);
});

async function takeAll({ db, boss }: Deps): Promise<TakenJob[]> {
  const { taken } = await takeJobs({ db, boss, log: silentLog }, "temperature_readings", {
    room: 100,
    ...lease,
  });
  return taken;
}

function finishedAs({ attempt, job }: TakenJob, state: "delivered" | "rejected"): FinishedAttempt {
  const shared = { attempt, job, durationMs: 5 };
  if (state === "delivered") {
    return {
      ...shared,
      answer: { kind: "success", httpStatus: 200, requestId: null },
      verdict: { kind: "delivered", isDuplicate: false },
      outcome: { state: "delivered", reason: "accepted" },
    };
  }
  return {
    ...shared,
    answer: { kind: "no_answer", reachedStripe: "no", code: null, message: "refused" },
    verdict: { kind: "rejected", reason: "refused_by_stripe" },
    outcome: { state: "rejected", reason: "refused_by_stripe" },
  };
}

function idsOf(taken: readonly TakenJob[]): string[] {
  return taken.map(({ attempt }) => attempt.meterEventId);
}

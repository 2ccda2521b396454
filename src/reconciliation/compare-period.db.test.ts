import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { booksTest as test } from "../testing/fixtures/books-fixture.ts";
import type { Comparison } from "./compare-period.ts";
import type { NoLook } from "./look.ts";
import { dayMs, floorTo, hourMs, minuteMs } from "./windows.ts";

/** A period of 30 days that begins and ends inside minutes, hours and days. */
const end = new Date(floorTo(new Date(), hourMs).getTime() - 2 * dayMs + 37 * minuteMs);
const start = new Date(end.getTime() - 30 * dayMs);
const period = { start, end };
const at = (days: number, minutes = 0) => new Date(start.getTime() + days * dayMs + minutes * minuteMs);
const hourOf = (moment: Date) => floorTo(moment, hourMs);

test("a period that is equal costs one read, and is written down", async ({ books, database: { db } }) => {
  await books.addBoth({ at: at(1), quantity: 5 });
  await books.addBoth({ at: at(20), quantity: 7 });

  const compared = await books.compare(period);

  expect(compared).toMatchObject({
    whole: { result: "equal", ours: "12", theirs: "12", events: 2 },
    reads: 1,
  });
  expect(books.readsMade()).toBe(1);
  expect(await readRows(db)).toMatchObject([
    { start, end, ours: "12", theirs: "12", events: 2, reads: 1, result: "equal", cause: "routine" },
  ]);
});

test("usage before the first minute and after the last one is on neither side", async ({ books }) => {
  await books.addBoth({ at: new Date(start.getTime() - 1), quantity: 100 });
  await books.addBoth({ at: start, quantity: 1 });
  await books.addBoth({ at: new Date(end.getTime() - 1), quantity: 2 });
  await books.addBoth({ at: end, quantity: 200 });

  expect(await books.compare(period)).toMatchObject({ whole: { result: "equal", ours: "3", theirs: "3" } });
});

test("too much at Stripe counts at once, and its hour is found in three reads", async ({ books }) => {
  await books.addBoth({ at: at(3), quantity: 5 });
  await books.addBoth({ at: at(12, 10), quantity: 5 });
  await books.countTheirs({ at: at(12, 10), quantity: 2 });

  const compared = await books.compare(period);

  expect(compared).toMatchObject({ whole: { result: "different", ours: "10", theirs: "12" }, reads: 3 });
  expect(differentHours(compared)).toEqual([
    { start: hourOf(at(12, 10)), ours: "5", theirs: "7", result: "different" },
  ]);
  expect(books.readsMade()).toBe(3);
});

test("too little counts after two looks that agree, and not before", async ({ books, database: { db } }) => {
  await books.addBoth({ at: at(3), quantity: 5 });
  await books.addOurs({ at: at(12), quantity: 2 });
  const first = await books.compare(period);
  await books.passTime(3_500);
  const early = await books.compare(period);
  await books.passTime(200);
  const late = await books.compare(period);

  for (const compared of [first, early]) {
    expect(compared).toMatchObject({ whole: { result: "settling", reason: "first_look" } });
  }
  expect(late).toMatchObject({ whole: { result: "different", ours: "7", theirs: "5" } });
  expect(differentHours(late)).toEqual([
    { start: hourOf(at(12)), ours: "2", theirs: "0", result: "different" },
  ]);
  expect((await readRows(db)).filter(({ result }) => result === "different")).toHaveLength(3);
});

test("a look between that saw another sum begins the wait anew", async ({ books }) => {
  await books.addOurs({ at: at(12), quantity: 5 });
  await books.compare(period);
  await books.passTime(3_000);
  await books.countTheirs({ at: at(12), quantity: 2 });
  await books.compare(period);
  await books.passTime(3_000);

  expect(await books.compare(period)).toMatchObject({ whole: { result: "settling" } });
});

test("so does an event of ours that has changed since", async ({ books, database: { db } }) => {
  await books.addOurs({ at: at(12), quantity: 5 });
  const id = await books.addOurs({ at: at(12), quantity: 3 });
  await books.compare(period);
  await books.passTime(3_700);
  await sql`update metering.meter_events set state = 'rejected' where id = ${id}`.execute(db);

  expect(await books.compare(period)).toMatchObject({
    whole: { result: "settling", reason: "first_look", ours: "5" },
  });
});

test("a window with a delivery of a moment ago is not compared yet, unless Stripe has too much", async ({
  books,
}) => {
  await books.addOurs({ at: at(12), quantity: 5 }, { delivered_at: new Date() });
  expect(await books.compare(period)).toMatchObject({
    whole: { result: "settling", reason: "young" },
    reads: 1,
  });

  await books.countTheirs({ at: at(12), quantity: 6 });
  expect(await books.compare(period)).toMatchObject({ whole: { result: "different" } });
});

test("what is in doubt is no difference, and more than all of it is", async ({ books }) => {
  await books.addBoth({ at: at(12), quantity: 5 });
  await books.addOurs({ at: at(12), quantity: 3 }, { state: "in_doubt", delivered_at: null });
  const inDoubt = { result: "settling", reason: "in_doubt", ours: "5", doubtful: "3" };
  expect(await books.compare(period)).toMatchObject({ whole: { ...inDoubt, theirs: "5" }, reads: 1 });

  await books.countTheirs({ at: at(12), quantity: 3 });
  expect(await books.compare(period)).toMatchObject({ whole: { ...inDoubt, theirs: "8" } });

  await books.countTheirs({ at: at(12), quantity: 1 });
  expect(await books.compare(period)).toMatchObject({ whole: { result: "different", theirs: "9" } });
});

test("usage in the period's first hour that belongs to the neighbour is told apart", async ({ books }) => {
  await books.addBoth({ at: at(12), quantity: 5 });
  const before = new Date(start.getTime() - minuteMs);
  await books.countTheirs({ at: before, quantity: 4 });
  await books.countTheirs({ at: at(0, 1), quantity: 3 });

  const compared = await books.compare(period);

  expect(compared).toMatchObject({ whole: { result: "different", ours: "5", theirs: "8" }, reads: 4 });
  const rows = differentHours(compared).filter((row) => row.start.getTime() === start.getTime());
  expect(rows).toEqual([{ start, ours: "0", theirs: "3", result: "different" }]);
});

test("of a gauge the last value is compared, and an old one needs two looks", async ({ books }) => {
  const gauge = { meter: "active_sensors" } as const;
  await books.addBoth({ at: at(3), quantity: 9, ...gauge });
  await books.addBoth({ at: at(20), quantity: 4, ...gauge });
  expect(await books.compare(period, gauge)).toMatchObject({
    whole: { result: "equal", ours: "4", theirs: "4" },
  });

  await books.addOurs({ at: at(25), quantity: 3, ...gauge });
  expect(await books.compare(period, gauge)).toMatchObject({
    whole: { result: "settling", reason: "first_look", ours: "3", theirs: "4" },
  });
});

test("decimals and negative sums of other senders are told as they are", async ({ books, account }) => {
  await account.stripe.billing.meterEvents.create({
    event_name: "temperature_readings",
    payload: { stripe_customer_id: books.customer, value: "-0.0000005" },
    timestamp: Math.floor(at(5).getTime() / 1_000),
  });
  expect(await books.compare(period)).toMatchObject({ whole: { theirs: "-0.0000005", result: "settling" } });
});

test("a read that is refused says nothing, is counted, and writes nothing down", async ({
  books,
  account,
  database: { db },
}) => {
  await books.addBoth({ at: at(12), quantity: 5 });
  account.simulator.addFault({
    kind: "status",
    status: 429,
    path: `/v1/billing/meters/${account.meterIds.temperature_readings}`,
  });

  await expect(books.compare(period)).rejects.toMatchObject({ statusCode: 429 });

  expect(await readRows(db)).toEqual([]);
  const { reads } = await db.selectFrom("reconcile_reads").select("reads").executeTakeFirstOrThrow();
  expect(reads).toBe(1);
});

test("reads that Stripe cannot answer use up nothing of the day: an outage leaves evidence its reads", async ({
  books,
  account: { simulator },
  database: { db },
}) => {
  await books.addBoth({ at: at(12), quantity: 5 });
  books.deps.budget = { perDay: 2, evidencePerDay: 2 };
  simulator.addFault({ kind: "status", status: 500, path: "/v1/billing/meters/", times: 2 });
  simulator.addFault({ kind: "cut_before", path: "/v1/billing/meters/", times: 2 });

  for (let time = 0; time < 4; time += 1) {
    await expect(books.compare(period, { cause: "close" })).rejects.toThrow(/unknown error|connection/);
  }
  expect(await books.compare(period, { cause: "close" })).toMatchObject({ whole: { result: "equal" } });

  expect(await db.selectFrom("reconcile_reads").select("reads").execute()).toEqual([{ reads: 1 }]);
});

function differentHours(compared: Comparison | NoLook) {
  if (typeof compared === "string") throw new Error(compared);
  return compared.parts
    .filter((part) => part.end.getTime() - part.start.getTime() <= hourMs && part.result === "different")
    .map(({ start: from, ours, theirs, result }) => ({ start: from, ours, theirs, result }));
}

async function readRows(db: Db) {
  return db
    .selectFrom("reconciliations")
    .select([
      "window_start as start",
      "window_end as end",
      "ours",
      "theirs",
      "events",
      "reads",
      "result",
      "reason",
      "cause",
    ])
    .orderBy("id")
    .execute();
}

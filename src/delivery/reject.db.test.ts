import { expect } from "vitest";
import type { ErrorReport } from "../stripe/reads.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { addMeterEvent, readMeterEvent } from "../testing/rows/meter-events.ts";
import { meterEventStates } from "./meter-event-states.ts";
import { rejectOfCustomer, rejectReported } from "./reject.ts";

const start = new Date("2026-11-20T10:00:00Z");
const end = new Date("2026-11-20T10:10:00Z");
const meters = ["temperature_readings"] as const;
const after = (at: Date, seconds: number) => new Date(at.getTime() + seconds * 1_000);

function report(identifiers: readonly string[], change: Partial<ErrorReport> = {}): ErrorReport {
  const errors = identifiers.map((identifier) => ({ identifier, code: "no_customer", message: "None." }));
  return { errorCount: errors.length, errors, validationStart: start, validationEnd: end, ...change };
}

/** Counts failures and names none of them. */
const unnamed = (code: string): ErrorReport =>
  report([], { errorCount: 3, unnamed: { code, message: `Stripe says ${code}` } });

test.for([1, 9, 10, 123])(
  "a report that names an event by the key of its attempt %d rejects it",
  async (attempt, { database: { db } }) => {
    const key = await addMeterEvent(db, { state: "delivered", delivered_at: start });

    const { rejected } = await db
      .transaction()
      .execute((trx) => rejectReported(trx, report([`${key.meterEventId}:a${attempt}`]), { meters }));

    expect(rejected).toMatchObject([key]);
    expect(await readMeterEvent(db, key)).toMatchObject({
      state: "rejected",
      reason: "no_customer",
      last_error: "None.",
    });
  },
);

test("a report rejects what Stripe may have, and what was given up before Stripe could tell", async ({
  database: { db },
}) => {
  const rows = [
    ...meterEventStates.map((state) => ({ state, reason: null })),
    ...["refused_by_stripe", "crashes_worker", "customer_deleted", "no_meter"].map((reason) => ({
      state: "rejected",
      reason,
    })),
  ];
  const keys = await Promise.all(rows.map((row) => addMeterEvent(db, row)));

  await db.transaction().execute((trx) =>
    rejectReported(trx, report(keys.map(({ meterEventId }) => meterEventId)), {
      meters,
    }),
  );

  const found = await Promise.all(keys.map((key) => readMeterEvent(db, key)));
  const told = rows.flatMap((row, place) => (found[place]?.reason === "no_customer" ? [row] : []));
  expect(told.map(({ state, reason }) => reason ?? state)).toEqual([
    "pending",
    "delivered",
    "in_doubt",
    "refused_by_stripe",
    "crashes_worker",
    "customer_deleted",
  ]);
});

const sentAt = (at: Date) => ({ attempts_started: 1, first_attempt_at: at, last_attempt_at: at });
const delivered = (at: Date) => ({ ...sentAt(at), state: "delivered", delivered_at: at });
const marked = [
  ["delivered a minute before it", delivered(after(start, -60))],
  ["delivered a minute after it", delivered(after(end, 60))],
  ["pending, whose answer was lost", sentAt(start)],
  ["in doubt", { ...sentAt(start), state: "in_doubt" }],
  ["sent in it, and again long after it", { ...delivered(after(end, 7_200)), first_attempt_at: start }],
] as const;
const unmarked = [
  ["delivered longer before it", delivered(after(start, -61))],
  ["sent first longer after it", delivered(after(end, 61))],
  ["never sent", {}],
  ["rejected", { ...delivered(start), state: "rejected", delivered_at: null }],
  ["of another meter", { ...delivered(start), meter: "active_sensors" }],
] as const;

test.for([...marked, ...unmarked])(
  "where a report names no event, it may be about one that was sent around its window: %s",
  async ([what, row], { database: { db } }) => {
    const key = await addMeterEvent(db, row);

    const mark = (code: string) =>
      db.transaction().execute((trx) => rejectReported(trx, unnamed(code), { meters }));
    const first = await mark("first");
    const marks = await readMeterEvent(db, key);
    await mark("second");

    const isMarked = marked.some(([name]) => name === what);
    expect(first).toEqual({ rejected: [], marked: isMarked ? 1 : 0 });
    expect(marks.reported_code).toBe(isMarked ? "first" : null);
    // The first one stays.
    expect(await readMeterEvent(db, key)).toEqual(marks);
  },
);

test("of a deleted customer only what waits is rejected", async ({ database: { db } }) => {
  const keys = await Promise.all(meterEventStates.map((state) => addMeterEvent(db, { state })));
  const other = await addMeterEvent(db, { stripe_customer_id: "cus_2" });

  const rejected = await db.transaction().execute((trx) => rejectOfCustomer(trx, "cus_1"));

  expect(rejected).toMatchObject([{ ...keys[0], reason: "customer_deleted" }]);
  const states = await Promise.all(keys.map(async (key) => (await readMeterEvent(db, key)).state));
  expect(states).toEqual(meterEventStates.map((state) => (state === "pending" ? "rejected" : state)));
  expect(await readMeterEvent(db, other)).toMatchObject({ state: "pending" });
});

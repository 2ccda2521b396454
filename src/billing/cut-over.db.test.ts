import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { sealDueEntries } from "../outbox/seal.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { addMeterEvent, ago, minuteMs } from "../testing/rows/meter-events.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { meterNames } from "../usage/meters.ts";
import { cutOver, type CutOverOptions } from "./cut-over.ts";

const usual = { at: "period-end", isRehearsal: false, mayMove: false } satisfies CutOverOptions;
const periodStart = hoursAgo(48);
const periodEnd = hoursAgo(-24);

test("at the period's end, all that is not sent is marked, and what was sent is told", async ({
  database,
}) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_1", periodStart, periodEnd });
  const of = { organization_id: acme, event_at: ago(30 * minuteMs) };
  const tried = { attempts_started: 1, attempts_finished: 1, first_unknown_at: ago(minuteMs) };
  await addMeterEvent(db, { ...of, quantity: 5 });
  await addMeterEvent(db, { ...of, quantity: 6, ...tried });
  await addMeterEvent(db, { ...of, quantity: 7, state: "in_doubt" });
  await addMeterEvent(db, { ...of, quantity: 8, state: "rejected" });
  await addMeterEvent(db, { ...of, quantity: 9, state: "delivered" });
  await addMeterEvent(db, { ...of, quantity: 10, state: "expired" });
  await appendEntries(db, acme, [{ at: ago(minuteMs), quantity: 11 }]);
  const rehearsal = await cutOver(db, { ...usual, isRehearsal: true });
  const before = await readStates(db);
  const done = await cutOver(database.as("api").db, usual);

  expect(done).toEqual(rehearsal);
  expect(before).toEqual({
    5: "pending",
    6: "pending",
    7: "in_doubt",
    8: "rejected",
    9: "delivered",
    10: "expired",
  });
  expect(done).toMatchObject([
    {
      organizationId: acme,
      outcome: "cut",
      cutAt: periodEnd,
      meters: [
        {
          meter: "temperature_readings",
          marked: 4,
          markedQuantity: "26",
          maybeCounted: 2,
          underWay: 0,
          unsealed: 1,
          unsealedQuantity: "11",
          sent: 1,
          sentQuantity: "9",
        },
        { meter: "active_sensors", marked: 0 },
      ],
    },
  ]);
  const elsewhere = "superseded: billed_elsewhere";
  expect(await readStates(db)).toEqual({
    5: elsewhere,
    6: elsewhere,
    7: elsewhere,
    8: elsewhere,
    9: "delivered",
    10: "expired",
  });
});

test("what is sealed afterwards is cut inside its hour: marked before the cut, and sent from it on", async ({
  database,
  boss,
}) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_1", periodStart, periodEnd });
  await cutOver(db, { ...usual, at: hoursAgo(2, 30) });
  await appendEntries(db, acme, [
    { at: hoursAgo(2, 10), quantity: 1 },
    { at: hoursAgo(2, 29.999), quantity: 2 },
    { at: hoursAgo(2, 30), quantity: 4 },
    { at: hoursAgo(2, 50), quantity: 8 },
  ]);
  await sealDueEntries({ db, boss }, { meters: meterNames });

  expect(await readStates(db)).toEqual({ 3: "superseded: billed_elsewhere", 12: "pending" });
  expect(await boss.findJobs("deliver-temperature_readings")).toHaveLength(1);
});

test("a second run leaves the cut where it is, and marks what the first had to leave", async ({
  database,
}) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_1", periodStart, periodEnd });
  const event = { organization_id: acme, event_at: ago(30 * minuteMs) };
  await addMeterEvent(db, { ...event, quantity: 3, attempts_started: 1, last_attempt_at: ago(minuteMs) });
  const [first] = await cutOver(db, usual);
  await sql`update metering.meter_events set attempts_finished = 1`.execute(db);
  const next = { start: periodEnd, end: hoursAgo(-800) };
  await sql`
    update metering.subscriptions set current_period_start = ${next.start}, current_period_end = ${next.end}
  `.execute(db);
  const [second] = await cutOver(db, usual);
  const [third] = await cutOver(db, usual);

  expect(first).toMatchObject({ outcome: "cut", meters: [{ marked: 0, underWay: 1 }, {}] });
  expect(second).toMatchObject({
    outcome: "kept",
    cutAt: periodEnd,
    meters: [{ marked: 1, underWay: 0 }, {}],
  });
  expect(third).toMatchObject({ outcome: "kept", cutAt: periodEnd, meters: [{ marked: 0 }, {}] });
  expect(await readStates(db)).toEqual({ 3: "superseded: billed_elsewhere" });
});

test("a cut moves to a later time when it is told to, until something after it was sent", async ({
  database: { db },
}) => {
  const acme = await addOrganization(db, { customer: "cus_1", periodStart, periodEnd });
  await cutOver(db, { ...usual, at: hoursAgo(5) });
  await addMeterEvent(db, { organization_id: acme, event_at: hoursAgo(4, 1), quantity: 1 });
  const outcomes: unknown[] = [];
  const cut = async (at: Date, mayMove: boolean) =>
    outcomes.push(
      (await cutOver(db, { ...usual, at, mayMove })).map(({ outcome, cutAt }) => [outcome, cutAt])[0],
    );
  await cut(hoursAgo(3), false);
  await cut(hoursAgo(3), true);
  await cut(hoursAgo(4), true);
  await addMeterEvent(db, {
    organization_id: acme,
    event_at: hoursAgo(3, 1),
    quantity: 2,
    attempts_started: 1,
  });
  await cut(hoursAgo(1), true);

  expect(outcomes).toEqual([
    ["kept", hoursAgo(5)],
    ["moved", hoursAgo(3)],
    ["kept", hoursAgo(3)],
    ["sent_since", hoursAgo(3)],
  ]);
  expect(await readStates(db)).toEqual({ 1: "superseded: billed_elsewhere", 2: "pending" });
});

test("without a running period nothing is cut, and the organization is named", async ({
  database: { db },
}) => {
  const none = await addOrganization(db, { customer: "cus_1" });
  const over = await addOrganization(db, { customer: "cus_2", periodStart, periodEnd: hoursAgo(1) });
  await addOrganization(db);
  await addMeterEvent(db, { organization_id: none, quantity: 1 });

  const cuts = await cutOver(db, usual);

  expect(new Map(cuts.map(({ organizationId, outcome }) => [organizationId, outcome]))).toEqual(
    new Map([
      [none, "no_period"],
      [over, "period_over"],
    ]),
  );
  expect(await readStates(db)).toEqual({ 1: "pending" });
  expect(await cutOver(db, { ...usual, at: hoursAgo(0), organizationId: over })).toMatchObject([
    { outcome: "cut" },
  ]);
});

test("cut-overs and seals at once mark every event once, and leave none", async ({ database, boss }) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_1", periodStart, periodEnd });
  const entries = Array.from({ length: 40 }, (_, index) => ({
    at: hoursAgo(20 - (index % 20), index),
    quantity: 1,
  }));
  await appendEntries(db, acme, entries);

  await Promise.all([
    sealDueEntries({ db, boss }, { meters: meterNames }),
    cutOver(db, usual),
    sealDueEntries({ db, boss }, { meters: meterNames }),
    cutOver(db, usual),
  ]);

  const { rows } = await sql`
    select state, reason, sum(quantity)::int as quantity from metering.meter_events group by 1, 2
  `.execute(db);
  expect(rows).toEqual([{ state: "superseded", reason: "billed_elsewhere", quantity: 40 }]);
});

/** State and reason of each meter event, by its quantity. */
async function readStates(db: Db): Promise<Record<string, string>> {
  const { rows } = await sql<{ quantity: string; state: string }>`
    select quantity::text, concat_ws(': ', state, reason) as state from metering.meter_events
  `.execute(db);
  return Object.fromEntries(rows.map(({ quantity, state }) => [quantity, state]));
}

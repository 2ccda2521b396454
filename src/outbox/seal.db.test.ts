import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { readMeterEvents } from "../testing/rows/meter-event-rows.ts";
import { addOrganization, linkCustomer, setOtherBounds } from "../testing/rows/organizations.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { meterNames } from "../usage/meters.ts";
import { reportUnsealed } from "./report.ts";
import { sealDueEntries } from "./seal.ts";
import type { SealedEvent } from "./sealed-event.ts";

const meters = meterNames;

test("entries fold into one meter event per organization, meter and UTC hour", async ({ database, boss }) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_acme" });
  const blue = await addOrganization(db, { customer: "cus_blue" });
  await appendEntries(db, acme, [
    { at: hoursAgo(3, 0), quantity: 1 },
    { at: hoursAgo(3, 59.999), quantity: 2 },
    { at: hoursAgo(2, 0), quantity: 4 },
    { at: hoursAgo(3, 30), quantity: 50, meter: "active_sensors" },
  ]);
  await appendEntries(db, blue, [{ at: hoursAgo(3, 5), quantity: 8 }]);

  await sealDueEntries({ db, boss }, { meters });

  expect(await readMeterEvents(db)).toMatchObject([
    { organizationId: acme, meter: "active_sensors", hour: hoursAgo(3), quantity: 50, customer: "cus_acme" },
    {
      organizationId: blue,
      meter: "temperature_readings",
      hour: hoursAgo(3),
      quantity: 8,
      customer: "cus_blue",
    },
    {
      organizationId: acme,
      meter: "temperature_readings",
      hour: hoursAgo(3),
      quantity: 3,
      customer: "cus_acme",
    },
    {
      organizationId: acme,
      meter: "temperature_readings",
      hour: hoursAgo(2),
      quantity: 4,
      customer: "cus_acme",
    },
  ]);
});

test("each transaction tells which events it has made, after its commit", async ({
  database: { db },
  boss,
}) => {
  const acme = await addOrganization(db, { customer: "cus_acme" });
  await appendEntries(db, acme, [
    { at: hoursAgo(3), quantity: 1 },
    { at: hoursAgo(2), quantity: 1 },
    { at: hoursAgo(2), quantity: 5, meter: "active_sensors" },
  ]);
  const told: { meter: string; isCommitted: boolean }[] = [];
  const looks: Promise<unknown>[] = [];
  const onSealed = (events: readonly SealedEvent[]) => {
    const look = async () => {
      const committed = new Set((await readMeterEvents(db)).map(({ id }) => id));
      told.push(
        ...events.map(({ meter, meterEventId }) => ({ meter, isCommitted: committed.has(meterEventId) })),
      );
    };
    looks.push(look());
  };

  await sealDueEntries({ db, boss, onSealed }, { meters, eventsPerTransaction: 1 });
  await Promise.all(looks);

  expect(looks).toHaveLength(3);
  expect(told.toSorted((one, other) => one.meter.localeCompare(other.meter))).toEqual([
    { meter: "active_sensors", isCommitted: true },
    { meter: "temperature_readings", isCommitted: true },
    { meter: "temperature_readings", isCommitted: true },
  ]);
});

test("an event's time is that of its latest entry", async ({ database, boss }) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_acme" });
  await appendEntries(db, acme, [
    { at: hoursAgo(1, 20), quantity: 1 },
    { at: hoursAgo(1, 40), quantity: 1 },
    { at: hoursAgo(1, 30), quantity: 1 },
  ]);

  await sealDueEntries({ db, boss }, { meters });

  expect(await readMeterEvents(db)).toMatchObject([{ at: hoursAgo(1, 40), entries: 3 }]);
});

test("a sum adds up beyond 32 bits", async ({ database, boss }) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_acme" });
  const largest = 999_999_999_999;
  await appendEntries(
    db,
    acme,
    [1, 2, 3].map((minute) => ({ at: hoursAgo(1, minute), quantity: largest })),
  );

  await sealDueEntries({ db, boss }, { meters });

  expect(await readMeterEvents(db)).toMatchObject([{ quantity: 3 * largest }]);
});

test("a gauge takes the latest of the hour, even when it is the smallest or 0", async ({
  database,
  boss,
}) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_acme" });
  const meter = "active_sensors";
  await appendEntries(db, acme, [
    { at: hoursAgo(2, 10), quantity: 7, meter },
    { at: hoursAgo(2, 30), quantity: 3, meter },
    { at: hoursAgo(2, 20), quantity: 9, meter },
    { at: hoursAgo(1, 10), quantity: 7, meter },
    { at: hoursAgo(1, 20), quantity: 0, meter },
  ]);

  await sealDueEntries({ db, boss }, { meters });

  expect((await readMeterEvents(db)).map(({ quantity }) => quantity)).toEqual([3, 0]);
});

test("an hour is split where a billing period ends in it", async ({ database, boss }) => {
  const { db } = database;
  const periodEnd = hoursAgo(2, 30);
  const acme = await addOrganization(db, { customer: "cus_acme", periodStart: hoursAgo(700), periodEnd });
  await appendEntries(db, acme, [
    { at: hoursAgo(2, 10), quantity: 1 },
    { at: new Date(periodEnd.getTime() - 1), quantity: 2 },
    { at: periodEnd, quantity: 4 },
    { at: hoursAgo(2, 50), quantity: 8 },
  ]);

  await sealDueEntries({ db, boss }, { meters });

  expect(await readMeterEvents(db)).toMatchObject([
    { quantity: 3, at: new Date(periodEnd.getTime() - 1), hour: hoursAgo(2) },
    { quantity: 12, at: hoursAgo(2, 50), hour: hoursAgo(2) },
  ]);
});

test("an hour is split where a billing period starts in it", async ({ database, boss }) => {
  const { db } = database;
  const periodStart = hoursAgo(2, 30);
  const acme = await addOrganization(db, { customer: "cus_acme", periodStart, periodEnd: hoursAgo(-700) });
  await appendEntries(db, acme, [
    { at: hoursAgo(2, 29), quantity: 1 },
    { at: periodStart, quantity: 2 },
    { at: hoursAgo(2, 31), quantity: 4 },
  ]);

  await sealDueEntries({ db, boss }, { meters });

  expect(await readMeterEvents(db)).toMatchObject([
    { quantity: 1, at: hoursAgo(2, 29) },
    { quantity: 6, at: hoursAgo(2, 31) },
  ]);
});

test("an hour is split where a period of another subscription of the customer ends in it", async ({
  database: { db },
  boss,
}) => {
  const periodStart = hoursAgo(700);
  const acme = await addOrganization(db, { customer: "cus_acme", periodStart, periodEnd: hoursAgo(-20) });
  await setOtherBounds(db, acme, [hoursAgo(722, 30), hoursAgo(2, 30), hoursAgo(1, 40)]);
  await appendEntries(db, acme, [
    { at: hoursAgo(2, 10), quantity: 1 },
    { at: hoursAgo(2, 30), quantity: 2 },
    { at: hoursAgo(1, 10), quantity: 4 },
    { at: hoursAgo(1, 39), quantity: 8 },
    { at: hoursAgo(1, 41), quantity: 16 },
  ]);

  await sealDueEntries({ db, boss }, { meters });

  expect((await readMeterEvents(db)).map(({ quantity, at }) => [quantity, at])).toEqual([
    [1, hoursAgo(2, 10)],
    [2, hoursAgo(2, 30)],
    [12, hoursAgo(1, 39)],
    [16, hoursAgo(1, 41)],
  ]);
});

test("an hour is split where periods ended in it that others have followed since", async ({
  database: { db },
  boss,
}) => {
  const periods = [hoursAgo(700), hoursAgo(2, 20), hoursAgo(2, 40), hoursAgo(1, 30), hoursAgo(-700)];
  const acme = await addOrganization(db);
  for (const [index, periodStart] of periods.slice(0, -1).entries()) {
    const periodEnd = periods[index + 1] ?? periodStart;
    await linkCustomer(db, acme, { customer: "cus_acme", periodStart, periodEnd });
  }
  await appendEntries(db, acme, [
    { at: hoursAgo(2, 10), quantity: 1 },
    { at: hoursAgo(2, 30), quantity: 2 },
    { at: hoursAgo(2, 50), quantity: 4 },
    { at: hoursAgo(1, 10), quantity: 8 },
  ]);

  await sealDueEntries({ db, boss }, { meters });

  expect((await readMeterEvents(db)).map(({ quantity, at }) => [quantity, at])).toEqual([
    [1, hoursAgo(2, 10)],
    [2, hoursAgo(2, 30)],
    [4, hoursAgo(2, 50)],
    [8, hoursAgo(1, 10)],
  ]);
});

test("an hour is split where a subscription ended and no other followed at once", async ({
  database: { db },
  boss,
}) => {
  const customer = "cus_acme";
  const acme = await addOrganization(db);
  await linkCustomer(db, acme, { customer, periodStart: hoursAgo(700), periodEnd: hoursAgo(2, 20) });
  await linkCustomer(db, acme, { customer, periodStart: hoursAgo(2, 40), periodEnd: hoursAgo(-700) });
  await appendEntries(db, acme, [
    { at: hoursAgo(2, 10), quantity: 1 },
    { at: hoursAgo(2, 30), quantity: 2 },
    { at: hoursAgo(2, 50), quantity: 4 },
  ]);

  await sealDueEntries({ db, boss }, { meters });

  expect((await readMeterEvents(db)).map(({ quantity, at }) => [quantity, at])).toEqual([
    [1, hoursAgo(2, 10)],
    [2, hoursAgo(2, 30)],
    [4, hoursAgo(2, 50)],
  ]);
});

test("entries without a customer are held, and sealed in their own hours once one is linked", async ({
  database,
  boss,
}) => {
  const { db } = database;
  const acme = await addOrganization(db);
  await appendEntries(db, acme, [
    { at: hoursAgo(30, 10), quantity: 5 },
    { at: hoursAgo(2, 10), quantity: 7 },
  ]);

  expect(await sealDueEntries({ db, boss }, { meters })).toMatchObject({ events: 0, stopped: "done" });
  expect(await reportUnsealed(db)).toMatchObject({ entries: 2, held: { entries: 2, quantity: 12 } });
  await linkCustomer(db, acme, { customer: "cus_acme" });
  await sealDueEntries({ db, boss }, { meters });

  expect(await readMeterEvents(db)).toMatchObject([
    { hour: hoursAgo(30), at: hoursAgo(30, 10), quantity: 5 },
    { hour: hoursAgo(2), at: hoursAgo(2, 10), quantity: 7 },
  ]);
});

test("entries of a meter that may not be sent now wait", async ({ database, boss }) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_acme" });
  await appendEntries(db, acme, [
    { at: hoursAgo(2, 10), quantity: 5, meter: "active_sensors" },
    { at: hoursAgo(1, 10), quantity: 7 },
  ]);

  await sealDueEntries({ db, boss }, { meters: ["temperature_readings"] });

  expect(await readMeterEvents(db)).toMatchObject([{ meter: "temperature_readings", quantity: 7 }]);
  expect(await reportUnsealed(db)).toMatchObject({ entries: 1, quantity: 5 });
});

test("usage that waited folds by the hour, whatever its number", async ({ database, boss }) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_acme" });
  const minutes = Array.from({ length: 12 * 60 }, (_, minute) => minute);
  await appendEntries(
    db,
    acme,
    minutes.map((minute) => ({ at: hoursAgo(13, minute), quantity: 1 })),
  );

  const sealed = await sealDueEntries({ db, boss }, { meters });

  expect(sealed).toMatchObject({ events: 12, entries: 720 });
});

test("two seals at once seal every entry once", async ({ database, boss }) => {
  const { db } = database;
  const rounds = 25;
  const organizations = await addOrganizationsWithHours(db, {
    organizations: 4,
    hours: 0,
    entriesPerHour: 0,
  });
  for (let round = 0; round < rounds; round += 1) {
    for (const organization of organizations) {
      await appendEntries(db, organization, [
        { at: hoursAgo(2, round), quantity: 1 },
        { at: hoursAgo(1, round), quantity: 1 },
      ]);
    }
    await Promise.all([1, 2].map(() => sealDueEntries({ db, boss }, { meters, eventsPerTransaction: 2 })));
  }

  const { rows } = await sql`
    select count(*)::int as events, sum(quantity)::int as quantity, sum(entries)::int as entries
    from metering.meter_events
  `.execute(db);
  const expected = rounds * organizations.length * 2;
  expect(rows).toEqual([{ events: expected, quantity: expected, entries: expected }]);
});

async function addOrganizationsWithHours(
  db: Db,
  { organizations, hours, entriesPerHour }: { organizations: number; hours: number; entriesPerHour: number },
): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 1; n <= organizations; n += 1) {
    const id = await addOrganization(db, { customer: `cus_${n}` });
    for (let hour = 1; hour <= hours; hour += 1) {
      const minutes = Array.from({ length: entriesPerHour }, (_, minute) => minute);
      await appendEntries(
        db,
        id,
        minutes.map((minute) => ({ at: hoursAgo(hour, minute), quantity: 1 })),
      );
    }
    ids.push(id);
  }
  return ids;
}

test("an entry that came after the seal began is left to the next", async ({
  database: { db },
  boss,
  road,
}) => {
  const { id } = await road.join();
  await appendEntries(db, id, [
    { at: new Date(Date.now() - 1_000), quantity: 1 },
    { at: new Date(Date.now() + 60_000), quantity: 2 },
  ]);

  const sealed = await sealDueEntries({ db, boss }, { meters: meterNames });

  expect(sealed).toMatchObject({ entries: 1, stopped: "done" });
});

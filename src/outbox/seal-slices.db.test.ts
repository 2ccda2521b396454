import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { supersedeGauges } from "../delivery/supersede-gauges.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { findViolations } from "../testing/rows/invariants.ts";
import { readMeterEvents } from "../testing/rows/meter-event-rows.ts";
import { addNeighbours } from "../testing/rows/neighbours.ts";
import { addOrganization, linkCustomer } from "../testing/rows/organizations.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { meterNames } from "../usage/meters.ts";
import { holdSeal } from "./hold-seal.ts";
import { reportUnsealed } from "./report.ts";
import { sealDueEntries } from "./seal.ts";

const meters = meterNames;
/** A slow machine makes no transaction smaller. */
const unhurried = { msPerTransaction: 60_000 };

test("an hour of more entries than a transaction takes becomes several events", async ({
  database,
  boss,
}) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_acme" });
  await appendEntries(db, acme, [
    ...[1, 2, 3].map((minute) => ({ at: hoursAgo(1, minute), quantity: 1 })),
    // All of one moment, so that only their ids say where to cut.
    ...[10, 20, 30, 40].map((quantity) => ({ at: hoursAgo(1, 4), quantity })),
  ]);

  await sealDueEntries({ db, boss }, { meters, entriesPerTransaction: 3, ...unhurried });

  const events = await readMeterEvents(db);
  expect(events.map(({ entries }) => entries)).toEqual([3, 3, 1]);
  expect(events.reduce((sum, { quantity }) => sum + quantity, 0)).toBe(103);
  expect(await findSealViolations(db)).toEqual([]);
});

test("a transaction makes no more events and takes no more entries than its bounds, and cuts nobody for others", async ({
  database,
  boss,
}) => {
  const { db } = database;
  for (let n = 0; n < 5; n += 1) await addWithEntries(db, `cus_${n}`, [1, 2, 3]);

  const sealed = await sealDueEntries(
    { db, boss },
    { meters, eventsPerTransaction: 3, entriesPerTransaction: 7, ...unhurried },
  );

  expect(sealed).toMatchObject({ events: 5, entries: 15, stopped: "done" });
  const byTransaction = Map.groupBy(await readMeterEvents(db), ({ transaction }) => transaction);
  const sizes = [...byTransaction.values()].map((events) => events.length);
  // Three on one Postgres; on a cluster no transaction reaches two shards.
  expect(sizes.length).toBeGreaterThanOrEqual(3);
  expect(Math.max(...sizes)).toBe(2);
});

test("one with many hours and entries costs every other one slice at most", async ({ database, boss }) => {
  const { db, pool } = database;
  // On a cluster they share a shard: no transaction reaches two.
  const [large = "", ...others] = await addNeighbours(pool, 5);
  await linkCustomer(db, large, { customer: "cus_large" });
  const backlog = Array.from({ length: 90 }, (_, n) => ({ at: hoursAgo(60 - (n % 9), n / 2), quantity: 1 }));
  await appendEntries(db, large, backlog);
  for (const [n, id] of others.entries()) {
    await linkCustomer(db, id, { customer: `cus_${n}` });
    await appendAt(db, id, [1, 2]);
  }

  await sealDueEntries(
    { db, boss },
    { meters, eventsPerTransaction: 2, entriesPerTransaction: 4, ...unhurried },
  );

  const inOrder = (await readMeterEvents(db)).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  expect(new Set(inOrder.slice(0, 5).map((event) => event.organizationId))).toEqual(
    new Set([large, ...others]),
  );
  expect(await findSealViolations(db)).toEqual([]);
});

test("where little can be sealed at a time, all get their turn, whoever has the oldest hours", async ({
  database,
  boss,
}) => {
  const { db } = database;
  const large = await addOrganization(db, { customer: "cus_large" });
  const hours = Array.from({ length: 20 }, (_, n) => ({ at: hoursAgo(n + 10), quantity: 1 }));
  await appendEntries(db, large, hours);
  const others = [await addWithEntries(db, "cus_1", [1]), await addWithEntries(db, "cus_2", [1])];

  for (let run = 0; run < 3; run += 1) {
    expect(await sealDueEntries({ db, boss }, { meters, pendingMax: 1 })).toMatchObject({ events: 1 });
    await deliverAll(db);
  }

  const served = (await readMeterEvents(db)).map((event) => event.organizationId);
  expect(new Set(served)).toEqual(new Set([large, ...others]));
});

test("sealing stops at the bound of undelivered events, and goes on when some are delivered", async ({
  database,
  boss,
}) => {
  const { db } = database;
  for (let n = 0; n < 9; n += 1) await addWithEntries(db, `cus_${n}`, [1]);
  const options = { meters, pendingMax: 4 };
  const heldBack = { stopped: "too_many_undelivered", heldBack: ["temperature_readings"] };

  expect(await sealDueEntries({ db, boss }, options)).toMatchObject({ events: 4, ...heldBack });
  await deliverAll(db);
  expect(await sealDueEntries({ db, boss }, options)).toMatchObject({ events: 4 });
  await deliverAll(db);
  expect(await sealDueEntries({ db, boss }, options)).toMatchObject({ events: 1, stopped: "done" });
});

test("undelivered events of one meter hold back no other", async ({ database, boss }) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_acme" });
  const sensors = [5, 4, 3, 2].map((hour) => ({
    at: hoursAgo(hour),
    quantity: 1,
    meter: "active_sensors" as const,
  }));
  await appendEntries(db, acme, [...sensors, { at: hoursAgo(1), quantity: 7 }]);

  const sealed = await sealDueEntries({ db, boss }, { meters, pendingMax: 2 });

  expect(sealed).toMatchObject({ events: 3, heldBack: ["active_sensors"] });
  expect(await readMeterEvents(db)).toContainEqual(
    expect.objectContaining({ meter: "temperature_readings", quantity: 7 }),
  );
});

test("events of one organization that Stripe does not take hold back no other", async ({
  database: { db },
  boss,
}) => {
  const stuck = await addOrganization(db, { customer: "cus_stuck" });
  const sealOne = async (minute: number) => {
    await appendEntries(db, stuck, [{ at: hoursAgo(1, minute), quantity: 1 }]);
    return sealDueEntries({ db, boss }, { meters, pendingMax: 4, failedOfOneMax: 2 });
  };
  for (let minute = 1; minute <= 5; minute += 1) {
    await sealOne(minute);
    await failAll(db);
  }
  const other = await addWithEntries(db, "cus_other", [1]);

  expect(await sealOne(6)).toMatchObject({ events: 1, stopped: "done", heldBack: [] });
  const ofOther = (await readMeterEvents(db)).filter(({ organizationId }) => organizationId === other);
  expect(ofOther).toHaveLength(1);
  // What has waited is one event.
  await deliverAll(db);
  expect(await sealOne(7)).toMatchObject({ events: 1, entries: 5 });
  expect(await findSealViolations(db)).toEqual([]);
});

test("usage that an invoice waits for is sealed, however many events of its organization have failed", async ({
  database: { db },
  boss,
}) => {
  const acme = await addWithEntries(db, "cus_acme", [1]);
  await sealDueEntries({ db, boss }, { meters });
  await failAll(db);
  await appendEntries(db, acme, [{ at: hoursAgo(1, 9), quantity: 1 }]);
  const options = { meters, failedOfOneMax: 1 };

  expect(await sealDueEntries({ db, boss }, options)).toMatchObject({ events: 0 });
  expect(await sealDueEntries({ db, boss }, { ...options, onlyOrganizationId: acme })).toMatchObject({
    events: 1,
  });
});

test("a sum never has more digits than Stripe takes", async ({ database, boss }) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_acme" });
  const largest = 999_999_999_999;
  await appendEntries(
    db,
    acme,
    Array.from({ length: 1_003 }, (_, n) => ({ at: hoursAgo(1, n / 100), quantity: largest })),
  );

  await sealDueEntries({ db, boss }, { meters });

  const events = await readMeterEvents(db);
  expect(events.map(({ entries }) => entries)).toEqual([1_000, 3]);
  expect(events.map(({ quantity }) => quantity)).toEqual([1_000 * largest, 3 * largest]);
});

test("of a gauge that was cut, also inside a moment, the latest value is left", async ({
  database,
  boss,
}) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_acme" });
  const meter = "active_sensors";
  await appendEntries(db, acme, [
    { at: hoursAgo(2, 10), quantity: 7, meter },
    { at: hoursAgo(2, 20), quantity: 9, meter },
    { at: hoursAgo(2, 30), quantity: 3, meter },
    { at: hoursAgo(2, 30), quantity: 3, meter },
  ]);

  await sealDueEntries({ db, boss }, { meters, entriesPerTransaction: 1 });

  expect(await supersedeGauges(db, { leaseSeconds: 45 })).toBe(3);
  const left = await db
    .selectFrom("meter_events")
    .select("quantity")
    .where("state", "=", "pending")
    .execute();
  expect(left.map(({ quantity }) => Number(quantity))).toEqual([3]);
});

test("a transaction that takes too long is given up and tried again in halves", async ({
  database,
  boss,
}) => {
  const { db } = database;
  await addWithEntries(
    db,
    "cus_acme",
    Array.from({ length: 32 }, (_, n) => n),
  );
  await slowDown(db, { secondsPerEntry: 0.05 });

  const sealed = await sealDueEntries(
    { db, boss },
    { meters, entriesPerTransaction: 32, msPerTransaction: 1_000 },
  );

  expect(sealed).toMatchObject({ entries: 32, stopped: "done" });
  expect(sealed.events).toBeGreaterThan(2);
  expect(await findSealViolations(db)).toEqual([]);
});

test("statements that take too long only together are given up, too", async ({ database, boss }) => {
  const { db } = database;
  for (let n = 0; n < 16; n += 1) await addWithEntries(db, `cus_${n}`, [1]);
  await slowDown(db, { secondsPerEntry: 0.05 });
  await sql`create trigger slow before insert on metering.meter_events for each row execute function metering.slow()`.execute(
    db,
  );

  // Eight events take two statements of 400 ms each, and 750 ms are left for both.
  const sealed = await sealDueEntries(
    { db, boss },
    { meters, eventsPerTransaction: 8, msPerTransaction: 1_000 },
  );

  expect(sealed).toMatchObject({ events: 16, stopped: "done" });
  const { rows } = await sql<{ events: number }>`
    select count(*)::int as events from metering.meter_events group by sealed_at
  `.execute(db);
  expect(Math.max(...rows.map(({ events }) => events))).toBeLessThan(8);
});

test("a seal ends in time, and leaves the rest to the next", async ({ database, boss }) => {
  const { db } = database;
  await addWithEntries(db, "cus_acme", [1, 2, 3]);
  const options = { meters, entriesPerTransaction: 1, msMax: 0 };

  expect(await sealDueEntries({ db, boss }, options)).toMatchObject({ events: 1, stopped: "time" });
  expect(await sealDueEntries({ db, boss }, options)).toMatchObject({ events: 1, stopped: "time" });
  expect(await sealDueEntries({ db, boss }, options)).toMatchObject({ events: 1, stopped: "done" });
});

test("who needs the seal's lock waits for one slice, not for all", async ({ database, boss }) => {
  const { db } = database;
  await addWithEntries(
    db,
    "cus_acme",
    Array.from({ length: 50 }, (_, n) => n),
  );
  await slowDown(db, { secondsPerEntry: 0.01 });
  const sealing = sealDueEntries({ db, boss }, { meters, entriesPerTransaction: 5 });
  await until(async () => (await readMeterEvents(db)).length > 0, { what: "the first slice" });

  const before = await db.transaction().execute(async (trx) => {
    await holdSeal(trx);
    return (await reportUnsealed(trx)).entries;
  });

  expect(before).toBeGreaterThan(0);
  expect(await sealing).toMatchObject({ entries: 50, stopped: "done" });
});

test("an organization whose rows fail is left out and told of, and holds up nobody", async ({
  database,
  boss,
}) => {
  const { db } = database;
  const organizations: string[] = [];
  for (let n = 0; n < 5; n += 1) organizations.push(await addWithEntries(db, `cus_${n}`, [1]));
  const broken = organizations[2] ?? "";
  await sql`
    alter table metering.meter_events add constraint broken check (organization_id <> ${sql.lit(broken)}::uuid)
  `.execute(db);

  const sealing = sealDueEntries({ db, boss }, { meters });

  await expect(sealing).rejects.toThrow("some organizations could not be sealed; faults: 1");
  const sealed = (await readMeterEvents(db)).map((event) => event.organizationId);
  expect(new Set(sealed)).toEqual(new Set(organizations.filter((id) => id !== broken)));
});

async function addWithEntries(db: Db, customer: string, minutes: readonly number[]): Promise<string> {
  const id = await addOrganization(db, { customer });
  await appendAt(db, id, minutes);
  return id;
}

/** Appends an entry in each of these minutes of the hour before. */
async function appendAt(db: Db, organizationId: string, minutes: readonly number[]): Promise<void> {
  await appendEntries(
    db,
    organizationId,
    minutes.map((minute) => ({ at: hoursAgo(1, minute), quantity: 1 })),
  );
}

async function deliverAll(db: Db): Promise<void> {
  await sql`update metering.meter_events set state = 'delivered', delivered_at = now()`.execute(db);
}

/** Stripe has answered an attempt at each pending event, and did not take it. */
async function failAll(db: Db): Promise<void> {
  await sql`
    update metering.meter_events
    set attempts_started = attempts_started + 1, attempts_finished = attempts_started + 1, reason = 'conflict'
    where state = 'pending'
  `.execute(db);
}

/** Makes every stamp slow, as on a busy machine. */
async function slowDown(db: Db, { secondsPerEntry }: { secondsPerEntry: number }): Promise<void> {
  await sql`
    create function metering.slow() returns trigger language plpgsql
    as $$ begin perform pg_sleep(${sql.lit(secondsPerEntry)}); return new; end $$
  `.execute(db);
  await sql`
    create trigger slow before update on metering.meter_outbox for each row execute function metering.slow()
  `.execute(db);
}

/** Entries of intake have readings, and these have none. */
async function findSealViolations(db: Db): Promise<string[]> {
  return (await findViolations(db)).filter((violation) => !violation.includes("readings"));
}

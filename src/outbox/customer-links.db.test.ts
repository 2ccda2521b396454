import fc from "fast-check";
import { sql } from "kysely";
import { expect } from "vitest";
import { unlinkCustomer } from "../billing/subscriptions.ts";
import { noteOrganizationOf } from "../database/customer-organizations.ts";
import type { Db } from "../database/db.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { readMeterEvents } from "../testing/rows/meter-event-rows.ts";
import { addOrganization, linkCustomer } from "../testing/rows/organizations.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { meterNames } from "../usage/meters.ts";
import { reportUnsealed } from "./report.ts";
import { sealDueEntries } from "./seal.ts";
import { readUnsealedAges } from "./unsealed.ts";

const meters = meterNames;

test("usage belongs to the customer that was linked when it arrived", async ({ database, boss }) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_first" });
  const backlog = Array.from({ length: 30 }, (_, hour) => ({ at: hoursAgo(hour + 1), quantity: 1 }));
  await appendEntries(db, acme, [...backlog, { at: new Date(), quantity: 100 }]);
  await linkCustomer(db, acme, { customer: "cus_second" });
  await appendEntries(db, acme, [{ at: await readClock(db), quantity: 1_000 }]);

  await sealDueEntries({ db, boss }, { meters, eventsPerTransaction: 2, entriesPerTransaction: 2 });

  expect(await billed(db, acme)).toEqual({ cus_first: 130, cus_second: 1_000 });
});

test("usage of before the first link belongs to the first customer, and that of between two to the next", async ({
  database,
  boss,
}) => {
  const { db } = database;
  const acme = await addOrganization(db);
  await writeLinks(db, acme, [
    { customer: "cus_first", from: hoursAgo(8), until: hoursAgo(6) },
    { customer: "cus_second", from: hoursAgo(4), until: hoursAgo(2) },
  ]);
  await appendEntries(db, acme, [
    { at: hoursAgo(9), quantity: 1 },
    { at: hoursAgo(7), quantity: 2 },
    { at: hoursAgo(6), quantity: 4 },
    { at: hoursAgo(5), quantity: 8 },
    { at: hoursAgo(3), quantity: 16 },
    { at: hoursAgo(2), quantity: 32 },
    { at: hoursAgo(1), quantity: 64 },
  ]);

  expect(await reportUnsealed(db)).toMatchObject({ entries: 7, held: { entries: 2, quantity: 96 } });
  await sealDueEntries({ db, boss }, { meters });

  expect(await billed(db, acme)).toEqual({ cus_first: 3, cus_second: 28 });
  expect(await reportUnsealed(db)).toMatchObject({ entries: 2, held: { entries: 2, quantity: 96 } });
});

test("an organization without a customer any more has its earlier usage sealed", async ({
  database,
  boss,
}) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_first" });
  await appendEntries(db, acme, [{ at: hoursAgo(2), quantity: 1 }]);
  await sql`update metering.subscriptions set stripe_customer_id = null`.execute(db);
  await appendEntries(db, acme, [{ at: await readClock(db), quantity: 2 }]);

  expect(await readUnsealedAges(db)).toHaveLength(2);
  await sealDueEntries({ db, boss }, { meters });

  expect(await billed(db, acme)).toEqual({ cus_first: 1 });
  expect(await readUnsealedAges(db)).toMatchObject([{ isHeld: true }]);
});

test("usage of a customer that Stripe has deleted waits for the next", async ({ database, boss }) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_first" });
  await appendEntries(db, acme, [{ at: hoursAgo(2), quantity: 1 }]);
  await db.transaction().execute((trx) => unlinkCustomer(trx, "cus_first"));

  await sealDueEntries({ db, boss }, { meters });
  expect(await reportUnsealed(db)).toMatchObject({ entries: 1, held: { entries: 1 } });
  await linkCustomer(db, acme, { customer: "cus_second" });
  await sealDueEntries({ db, boss }, { meters });

  expect(await billed(db, acme)).toEqual({ cus_second: 1 });
});

test("the present subscription's period splits the present customer's usage alone", async ({
  database,
  boss,
}) => {
  const { db } = database;
  const periodStart = hoursAgo(3, 30);
  const acme = await addOrganization(db, { customer: "cus_second", periodStart, periodEnd: hoursAgo(-700) });
  await writeLinks(db, acme, [
    { customer: "cus_first", from: hoursAgo(9), until: hoursAgo(3, 45) },
    { customer: "cus_second", from: hoursAgo(3, 45) },
  ]);
  const minutes = [20, 40, 50, 55];
  await appendEntries(
    db,
    acme,
    minutes.map((minute) => ({ at: hoursAgo(3, minute), quantity: minute })),
  );

  await sealDueEntries({ db, boss }, { meters });

  expect(await readMeterEvents(db)).toMatchObject([
    { customer: "cus_first", quantity: 60, entries: 2 },
    { customer: "cus_second", quantity: 105, entries: 2 },
  ]);
});

test("a period of an earlier customer splits that customer's usage", async ({ database, boss }) => {
  const { db } = database;
  const customer = "cus_first";
  const acme = await addOrganization(db, {
    customer,
    periodStart: hoursAgo(700),
    periodEnd: hoursAgo(3, 30),
  });
  await linkCustomer(db, acme, { customer, periodStart: hoursAgo(3, 30), periodEnd: hoursAgo(-700) });
  await linkCustomer(db, acme, { customer: "cus_second" });
  await writeLinks(db, acme, [
    { customer, from: hoursAgo(700), until: hoursAgo(3, 45) },
    { customer: "cus_second", from: hoursAgo(3, 45) },
  ]);
  const minutes = [20, 40, 50];
  await appendEntries(
    db,
    acme,
    minutes.map((minute) => ({ at: hoursAgo(3, minute), quantity: minute })),
  );

  await sealDueEntries({ db, boss }, { meters });

  expect(await readMeterEvents(db)).toMatchObject([
    { customer: "cus_first", quantity: 20 },
    { customer: "cus_first", quantity: 40 },
    { customer: "cus_second", quantity: 50 },
  ]);
});

test("linking the same customer again ends nothing, and changes in one transaction follow each other", async ({
  database,
}) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_first" });
  await linkCustomer(db, acme, { customer: "cus_first", periodStart: hoursAgo(1), periodEnd: hoursAgo(0) });
  await db.transaction().execute(async (trx) => {
    for (const customer of ["cus_second", "cus_first", "cus_third"])
      await linkCustomer(trx, acme, { customer });
  });

  const links = await db.selectFrom("customer_links").selectAll().orderBy("linked_at").execute();

  const customers = links.map((link) => link.stripe_customer_id);
  expect(customers).toEqual(["cus_first", "cus_second", "cus_first", "cus_third"]);
  expect(links.map((link) => link.ended_at === null)).toEqual([false, false, false, true]);
});

const minute = fc.integer({ min: 1, max: 179 });
/** Where links end and begin: each runs from one mark to the next; between them usage is held. */
const plan = fc.record({
  marks: fc.uniqueArray(minute, { minLength: 1, maxLength: 8 }),
  deleted: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  isLinkedNow: fc.boolean(),
  entries: fc.array(fc.record({ at: minute, quantity: fc.integer({ min: 1, max: 9 }) }), { minLength: 1 }),
});

test("whatever the links and their order, each customer gets the usage of its own time", async ({
  database,
  boss,
}) => {
  const { db } = database;
  const property = fc.asyncProperty(plan, async ({ marks, deleted, isLinkedNow, entries }) => {
    const acme = await addOrganization(db);
    const sorted = marks.toSorted((a, b) => a - b);
    const links = sorted.flatMap((from, n) => {
      if (n % 2 === 1) return [];
      const until = sorted[n + 1] ?? (isLinkedNow ? Infinity : 180);
      return [{ customer: `cus_${n}`, from, until, isDeleted: deleted[n / 2] === true }];
    });
    await writeLinks(
      db,
      acme,
      links.map(({ from, until, ...link }) => {
        const ended = until === Infinity ? {} : { until: hoursAgo(4, until) };
        return { ...link, from: hoursAgo(4, from), ...ended };
      }),
    );
    await appendEntries(
      db,
      acme,
      entries.map(({ at, quantity }) => ({ at: hoursAgo(4, at), quantity })),
    );
    const expected: Record<string, number> = {};
    for (const { at, quantity } of entries) {
      const link = links.find(({ until, isDeleted }) => !isDeleted && until > at);
      if (link !== undefined) expected[link.customer] = (expected[link.customer] ?? 0) + quantity;
    }

    await sealDueEntries({ db, boss }, { meters, onlyOrganizationId: acme });

    expect(await billed(db, acme)).toEqual(expected);
  });
  await fc.assert(property, { numRuns: 40 });
});

type WrittenLink = { customer: string; from: Date; until?: Date; isDeleted?: boolean };

/** Writes when an organization was linked to which customer, in place of the trigger's rows. */
async function writeLinks(db: Db, organizationId: string, links: readonly WrittenLink[]): Promise<void> {
  await db.deleteFrom("customer_links").where("organization_id", "=", organizationId).execute();
  for (const { customer, from, until, isDeleted } of links) {
    await noteOrganizationOf(db, organizationId, customer);
    await db
      .insertInto("customer_links")
      .values({
        organization_id: organizationId,
        linked_at: from,
        stripe_customer_id: customer,
        ended_at: until ?? null,
        customer_deleted_at: isDeleted === true ? from : null,
      })
      .execute();
  }
}

/** The quantity that each customer of an organization is billed. */
async function billed(db: Db, organizationId: string): Promise<Record<string, number>> {
  const events = (await readMeterEvents(db)).filter((event) => event.organizationId === organizationId);
  const byCustomer = Map.groupBy(events, ({ customer }) => customer);
  return Object.fromEntries(
    [...byCustomer].map(([customer, its]) => [
      customer,
      its.reduce((sum, { quantity }) => sum + quantity, 0),
    ]),
  );
}

/** The database's time, a little after everything that it has written. */
async function readClock(db: Db): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`
    select date_trunc('milliseconds', clock_timestamp()) + interval '1 millisecond' as now
  `.execute(db);
  const now = rows[0]?.now ?? new Date(0);
  // A seal leaves what lies ahead of the clock to the next one.
  await sql`select pg_sleep_until(${now})`.execute(db);
  return now;
}

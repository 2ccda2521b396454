import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { addOrganization, linkCustomer } from "../testing/rows/organizations.ts";
import { meterNames } from "../usage/meters.ts";
import { sealDueEntries } from "./seal.ts";
import { readUninvoiced } from "./uninvoiced.ts";

const entry = (hours: number, quantity: number) => ({ at: hoursAgo(hours), quantity });

test("held usage from before the period is told when the customer is linked, and after it is sealed", async ({
  database: { db },
  boss,
}) => {
  const acme = await addOrganization(db);
  await appendEntries(db, acme, [
    entry(5, 7),
    entry(4, 8),
    entry(1, 100),
    { ...entry(5, 3), meter: "active_sensors" },
    { ...entry(4, 2), meter: "active_sensors" },
  ]);
  expect(await readUninvoiced(db)).toEqual([]);
  await linkCustomer(db, acme, { customer: "cus_1", periodStart: hoursAgo(3), periodEnd: hoursAgo(-700) });
  const before = { organizationId: acme, reason: "before_subscription" };
  const told = [
    { ...before, meter: "active_sensors", quantity: 3 },
    { ...before, meter: "temperature_readings", quantity: 15 },
  ];
  expect(await readUninvoiced(db, { organizationIds: [acme] })).toEqual(told);

  await sealDueEntries({ db, boss }, { meters: meterNames });
  expect(await readUninvoiced(db)).toEqual(told);
  await sql`alter table metering.meter_events disable trigger user`.execute(db);
  await sql`update metering.meter_events set sealed_at = now() - interval '8 days'`.execute(db);
  expect(await readUninvoiced(db)).toEqual([]);
});

test("usage is on no invoice before the first subscription, between two, after the last, and without one", async ({
  database: { db },
  boss,
}) => {
  const acme = await addOrganization(db, { customer: "cus_1" });
  const entries = [entry(9, 1), entry(7, 2), entry(5, 4), entry(3, 8), entry(1, 16)];
  await appendEntries(db, acme, entries);
  const bill = [
    { from: hoursAgo(8), until: hoursAgo(6) },
    { from: hoursAgo(4), until: hoursAgo(2) },
  ];
  await setBilled(db, acme, bill);
  const told = [
    { reason: "after_subscription", quantity: 16 },
    { reason: "before_subscription", quantity: 5 },
  ];
  expect(await readUninvoiced(db)).toMatchObject(told);
  await sealDueEntries({ db, boss }, { meters: meterNames });
  expect(await readUninvoiced(db)).toMatchObject(told);

  await setBilled(db, acme, []);
  expect(await readUninvoiced(db)).toMatchObject([{ reason: "no_subscription", quantity: 31 }]);
  await setBilled(db, acme, [{ from: hoursAgo(9) }]);
  expect(await readUninvoiced(db)).toEqual([]);
});

test("where the link is younger than the period, earlier periods of the subscription have their invoices", async ({
  database: { db },
}) => {
  const acme = await addOrganization(db);
  await appendEntries(db, acme, [entry(5, 1), entry(1, 2)]);
  await linkCustomer(db, acme, { customer: "cus_1", periodStart: hoursAgo(3), periodEnd: hoursAgo(-700) });
  await setBilled(db, acme, [{ from: hoursAgo(100) }]);
  expect(await readUninvoiced(db)).toMatchObject([{ reason: "before_subscription", quantity: 1 }]);

  // An invoice that is made at the period's end is a draft for an hour.
  const finalAt = hoursAgo(3).getTime() + 3_600_000;
  await sql`update metering.customer_links set linked_at = ${new Date(finalAt)}`.execute(db);
  expect(await readUninvoiced(db)).toEqual([]);
  await sql`update metering.customer_links set linked_at = ${new Date(finalAt + 1)}`.execute(db);
  expect(await readUninvoiced(db)).toMatchObject([{ reason: "before_subscription", quantity: 1 }]);
});

test.for(["rejected", "expired", "superseded"])(
  "usage that is %s is told by its state, not as on no invoice",
  async (state, { database: { db }, boss }) => {
    const acme = await addOrganization(db, { customer: "cus_1" });
    await appendEntries(db, acme, [entry(2, 5)]);
    await setBilled(db, acme, []);
    await sealDueEntries({ db, boss }, { meters: meterNames });
    expect(await readUninvoiced(db)).toMatchObject([{ quantity: 5 }]);

    await db.updateTable("meter_events").set({ state }).execute();

    expect(await readUninvoiced(db)).toEqual([]);
  },
);

test("usage of an earlier customer is not the present one's", async ({ database: { db } }) => {
  const acme = await addOrganization(db, { customer: "cus_1" });
  await appendEntries(db, acme, [entry(2, 5)]);
  await linkCustomer(db, acme, { customer: "cus_2" });
  await setBilled(db, acme, []);
  expect(await readUninvoiced(db)).toEqual([]);
});

async function setBilled(
  db: Db,
  organizationId: string,
  times: readonly { from: Date; until?: Date }[],
): Promise<void> {
  const ranges = times.map(({ from, until }) => `[${from.toISOString()},${until?.toISOString() ?? ""})`);
  await sql`
    update metering.subscriptions set billed = ${`{${ranges.join(",")}}`}::tstzmultirange
    where organization_id = ${organizationId}
  `.execute(db);
}

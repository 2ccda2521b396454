import { sql } from "kysely";
import { expect } from "vitest";
import { meterEventsTest as test } from "../testing/fixtures/meter-events-fixture.ts";
import { withoutTriggers } from "../testing/postgres/without-triggers.ts";
import { addOrganization, linkCustomer } from "../testing/rows/organizations.ts";
import { addRandomEntries } from "../testing/rows/random-entries.ts";
import { settleUsageAtOnce } from "../testing/rows/settle-usage.ts";
import { readUsageByEntries } from "../testing/rows/usage-by-entries.ts";
import { meterNames } from "../usage/meters.ts";
import { sealDueEntries } from "./seal.ts";
import { addUpUsage } from "./sums.ts";
import { readUsageSummary } from "./usage-summary.ts";
import { readUsage } from "./usage.ts";

const hourMs = 3_600_000;

test("buckets and periods inside one hour are those of their own entries", async ({
  database: { db },
  boss,
}) => {
  const acme = await addOrganization(db);
  await linkCustomer(db, acme, { customer: "cus_1" });
  await settleUsageAtOnce(db, 100_000);
  // The first hour of a day, of which the sums are kept, too.
  const hour = new Date(Math.floor(Date.now() / (24 * hourMs) - 1) * 24 * hourMs);
  await sql`update metering.customer_links set linked_at = now() - interval '1 year'`.execute(db);
  await addRandomEntries(db, acme, { from: hour, until: new Date(hour.getTime() + 2 * hourMs) });
  await sealDueEntries({ db, boss }, { meters: meterNames });
  expect(await addUpUsage(db)).toBeGreaterThan(0);
  for (const meter of meterNames) {
    for (const [fromMinute, toMinute] of [
      [5, 20],
      [0, 30],
      [30, 60],
      [59, 61],
      [0, 60],
      [30, 90],
    ] as const) {
      const query = {
        meter,
        granularity: "day" as const,
        timeZone: "UTC",
        keptFrom: null,
        from: new Date(hour.getTime() + fromMinute * 60_000),
        to: new Date(hour.getTime() + toMinute * 60_000),
      };
      const [day, ...others] = await readUsageByEntries(db, acme, query);
      expect(others).toEqual([]);
      expect(await readUsage(db, acme, query)).toEqual([day]);
      const hourly = { ...query, granularity: "hour" as const };
      expect(await readUsage(db, acme, hourly)).toEqual(await readUsageByEntries(db, acme, hourly));
      const [total] = await readUsageSummary(db, { ...query, after: undefined, limit: 1 });
      expect(total?.quantity).toBe(day?.quantity);
    }
  }
});

test("the quarters of an hour that is added up stay known when retention drops its entries", async ({
  database: { db },
  boss,
}) => {
  const acme = await addOrganization(db);
  await linkCustomer(db, acme, { customer: "cus_1" });
  await sql`update metering.customer_links set linked_at = now() - interval '1 year'`.execute(db);
  await settleUsageAtOnce(db, 100_000);
  const from = new Date(Math.floor(Date.now() / hourMs) * hourMs - 12 * hourMs);
  const to = new Date(from.getTime() + 10 * hourMs);
  await addRandomEntries(db, acme, { from, until: to });
  await sealDueEntries({ db, boss }, { meters: meterNames });
  await sql`update metering.meter_events set state = 'delivered'`.execute(db);
  expect(await addUpUsage(db)).toBeGreaterThan(0);
  const read = (timeZone: string) =>
    readUsage(db, acme, {
      meter: "temperature_readings",
      granularity: "hour",
      timeZone,
      from,
      to,
      keptFrom: new Date(),
    });
  const zonesWithQuarters = ["Asia/Kolkata", "Asia/Kathmandu", "UTC"];
  const before = await Promise.all(zonesWithQuarters.map(read));
  await withoutTriggers(db, async (trx) => {
    await sql`delete from metering.meter_outbox`.execute(trx);
    await sql`
      insert into metering.dropped_partitions (table_name, month, dropped_rows)
      select distinct 'meter_outbox', date_trunc('month', t, 'UTC'), 1 from unnest(array[${from}, ${to}]::timestamptz[]) t
    `.execute(trx);
  });
  expect(await Promise.all(zonesWithQuarters.map(read))).toEqual(before);
  expect(
    new Set(before.map((buckets) => JSON.stringify(buckets.map(({ quantity }) => quantity)))).size,
  ).toBeGreaterThan(1);
});

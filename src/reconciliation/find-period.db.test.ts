import { sql } from "kysely";
import { expect } from "vitest";
import { addMonths, startOfMonth } from "../database/months.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { addOrganization, linkCustomer } from "../testing/rows/organizations.ts";
import { findWantedPeriod } from "./find-period.ts";
import { ceilTo, dayMs, floorTo, hourMs, minuteMs } from "./windows.ts";

const minute = (atMs: number) => floorTo(new Date(atMs), minuteMs);

test("between a period's end and the news of the next one, the current period has begun with that end", async ({
  database: { db },
}) => {
  const periodStart = minute(Date.now() - 40 * dayMs);
  const periodEnd = minute(Date.now() - 2 * hourMs);
  const organizationId = await addOrganization(db, { customer: "cus_1", periodStart, periodEnd });

  const before = Date.now();
  const current = await findWantedPeriod(db, organizationId, "current");

  expect(current?.start).toEqual(periodEnd);
  expect(current?.end.getTime()).toBeGreaterThanOrEqual(before);
  expect(current?.end.getTime()).toBeLessThanOrEqual(ceilTo(new Date(), minuteMs).getTime());
  expect(await findWantedPeriod(db, organizationId, "last")).toEqual({ start: periodStart, end: periodEnd });
});

test("of periods that overlap, the current one has begun with the latest end", async ({
  database: { db },
}) => {
  const end = minute(Date.now() - hourMs);
  const organizationId = await addOrganization(db, {
    customer: "cus_1",
    periodStart: minute(Date.now() - 20 * dayMs),
    periodEnd: minute(Date.now() - 9 * dayMs),
  });
  await sql`
    insert into metering.billing_periods (organization_id, period_start, period_end, stripe_customer_id)
    values (${organizationId}, ${minute(Date.now() - 40 * dayMs)}, ${end}, 'cus_2')
  `.execute(db);

  expect((await findWantedPeriod(db, organizationId, "current"))?.start).toEqual(end);
});

test("where no period is known there are UTC months, whatever the session's time zone is", async ({
  database: { db },
}) => {
  const organizationId = await addOrganization(db, { customer: "cus_1" });
  const month = startOfMonth(new Date());
  const asked = async (zone: string, wanted: "current" | "last") =>
    db.transaction().execute(async (trx) => {
      await sql`select set_config('timezone', ${zone}, true)`.execute(trx);
      return findWantedPeriod(trx, organizationId, wanted);
    });

  expect((await asked("UTC", "current"))?.start).toEqual(month);
  for (const zone of ["America/New_York", "Pacific/Auckland", "Europe/Berlin"]) {
    expect(await asked(zone, "last")).toEqual({ start: addMonths(month, -1), end: month });
  }
});

test("the current period of a customer that was linked again goes on", async ({ database: { db } }) => {
  const period = { periodStart: minute(Date.now() - 5 * dayMs), periodEnd: minute(Date.now() + 5 * dayMs) };
  const organizationId = await addOrganization(db, { customer: "cus_1", ...period });
  await linkCustomer(db, organizationId, { customer: "cus_1" });

  expect((await findWantedPeriod(db, organizationId, "current"))?.start).toEqual(period.periodStart);
});

import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { findViolations } from "../testing/rows/invariants.ts";
import { takeInOld } from "../testing/rows/old-usage.ts";
import { addOrganization, linkCustomer } from "../testing/rows/organizations.ts";
import type { UsagePeriod } from "./paid-spans.ts";
import { countPeriodReadings } from "./period-readings.ts";
import { countReadings } from "./sums.ts";

const hourMs = 3_600_000;

test("the readings of a period are those of their entries, however many hours are counted already", async ({
  database: { db },
}) => {
  const acme = await addOrganization(db);
  await linkCustomer(db, acme, { customer: "cus_1" });
  await sql`update metering.customer_links set linked_at = now() - interval '1 year'`.execute(db);
  const other = await addOrganization(db);
  for (let hours = 1; hours <= 40; hours += 1) {
    if (hours % 7 === 0) continue;
    const at = new Date(hoursAgo(hours).getTime() + ((hours * 977_001) % hourMs));
    // Some were measured long before they came.
    const readAt = hours % 5 === 0 ? new Date(at.getTime() - 3 * 24 * hourMs) : at;
    await takeInOld(db, [{ at, readAt, readings: (hours % 6) + 1 }], acme);
    await takeInOld(db, [{ at: hoursAgo(hours), readings: 2 }], other);
  }
  const periods = [
    [40.5, 40],
    [30, 24],
    [3.4, 3.3],
    [2.6, 0.5],
    [12.25, 1.5],
  ].map(([ago = 0, hours = 0]) => {
    const start = new Date(Date.now() - ago * hourMs);
    return {
      organizationId: acme,
      customer: "cus_1",
      start,
      end: new Date(start.getTime() + hours * hourMs),
    };
  });
  const expectAll = async () => {
    const counted = await countPeriodReadings(db, { organizationId: acme, times: periods });
    for (const [place, period] of periods.entries()) {
      expect(counted[place]).toBe(await countByEntries(db, period));
    }
  };
  await expectAll();
  for (let hours = 0; hours < 15; hours += 1) expect(await countReadings(db)).toBe(true);
  await expectAll();
  let isCounted = true;
  while (isCounted) isCounted = await countReadings(db);
  await expectAll();
  expect((await findViolations(db)).filter((violation) => violation.includes("were counted"))).toEqual([]);
  const { rows } = await sql<{ hours: number }>`
    select count(*)::int as hours from metering.reading_counts where organization_id = ${acme}
  `.execute(db);
  expect(rows[0]?.hours).toBeGreaterThan(30);
});

async function countByEntries(db: Db, { organizationId, start, end }: UsagePeriod): Promise<number> {
  const counted = await sql<{ readings: number }>`
    select count(*)::float8 as readings
    from metering.readings r
    join metering.meter_outbox e on e.organization_id = r.organization_id and e.id = r.entry_id
    where r.organization_id = ${organizationId} and e.occurred_at >= ${start} and e.occurred_at < ${end}
  `.execute(db);
  return counted.rows[0]?.readings ?? 0;
}

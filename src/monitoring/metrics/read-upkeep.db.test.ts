import { sql } from "kysely";
import { expect } from "vitest";
import { countSensors } from "../../intake/count-sensors.ts";
import { databaseTest as test } from "../../testing/postgres/database-fixture.ts";
import { movedBack } from "../../testing/rows/moved-back.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";
import { billableByDefault } from "../../usage/subscription-statuses.ts";
import { readConditions } from "../alerts/read-conditions.ts";

test.for([
  ["has left", sql`update metering.subscriptions set status = 'canceled'`],
  ["is linked to no customer any more", sql`update metering.subscriptions set stripe_customer_id = null`],
  ["is archived", sql`update metering.organizations set archived_at = now()`],
] as const)(
  "no hour is missed where the last billable organization %s",
  async ([, leave], { database: { db } }) => {
    await addOrganization(db, { customer: "cus_1" });
    await countSensors(db, { billableStatuses: billableByDefault });
    const earlier = movedBack("hour", sql`interval '3 hours'`);
    await sql`update metering.sensor_counts set hour = ${earlier}`.execute(db);
    const readNames = async () =>
      (await readConditions(db, { billableStatuses: billableByDefault })).map(({ rule }) => rule.name);
    expect(await readNames()).toContain("MeterOutboxSensorCountMissed");

    await leave.execute(db);
    expect(await readNames()).not.toContain("MeterOutboxSensorCountMissed");
  },
);

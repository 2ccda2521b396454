import { sql } from "kysely";
import { expect } from "vitest";
import { noteOrganizationOf } from "../database/customer-organizations.ts";
import type { Db } from "../database/db.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { eachOnItsNode, takeNodeAway } from "../testing/rows/node-away.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { countChangedSensors, countSensors } from "./count-sensors.ts";
import { putSensor, registerSensors } from "./sensors.ts";

const billable = { billableStatuses: ["active", "trialing"] };
/** Every burst is over at once. */
const atOnce = { ...billable, quietSeconds: 0 };

/** The active sensors of an organization's outbox entries, in the order that Stripe gets them. */
async function readEntries(db: Db, organizationId: string): Promise<number[]> {
  const { rows } = await sql<{ quantity: number }>`
    select quantity::int as quantity from metering.meter_outbox
    where organization_id = ${organizationId} and meter = 'active_sensors'
    order by occurred_at, id
  `.execute(db);
  return rows.map(({ quantity }) => quantity);
}

/** The count that is stored for the latest hour. */
async function readStanding(db: Db, organizationId: string): Promise<number | undefined> {
  const { rows } = await sql<{ active: number }>`
    select active_sensors as active from metering.sensor_counts
    where organization_id = ${organizationId} order by hour desc limit 1
  `.execute(db);
  return rows[0]?.active;
}

async function notePeriodStart(db: Db, organizationId: string, at: Date): Promise<void> {
  await sql`
    update metering.subscriptions set current_period_start = ${at} where organization_id = ${organizationId}
  `.execute(db);
}

test("an hour is counted again when the number has changed, and the last value stands", async ({
  database: { db },
}) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  await registerSensors(db, id, [{ id: "a" }, { id: "b" }]);
  await countSensors(db, billable);
  await putSensor(db, id, { id: "c", name: null, isActive: true });
  await countChangedSensors(db, atOnce);
  await putSensor(db, id, { id: "a", name: null, isActive: false });
  await putSensor(db, id, { id: "b", name: null, isActive: false });
  await countChangedSensors(db, atOnce);

  expect(await readEntries(db, id)).toEqual([2, 3, 1]);
  expect(await readStanding(db, id)).toBe(1);
});

test("a number that stands already is not written again, whoever counts", async ({ database: { db } }) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  await registerSensors(db, id, [{ id: "a" }]);
  await countSensors(db, billable);
  await putSensor(db, id, { id: "a", name: null, isActive: false });
  await putSensor(db, id, { id: "a", name: null, isActive: true });

  const counts = await Promise.all(Array.from({ length: 10 }, () => countSensors(db, billable)));
  await countChangedSensors(db, atOnce);

  // One more where a full hour began in between.
  const hours = new Set(counts.map(({ hour }) => hour.getTime())).size;
  expect((await readEntries(db, id)).length).toBeLessThanOrEqual(hours + 1);
  expect(new Set(await readEntries(db, id))).toEqual(new Set([1]));
});

test("a burst of changes is counted once, when it is over", async ({ database: { db } }) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  for (let n = 0; n < 30; n += 1) await registerSensors(db, id, [{ id: `s${n}` }]);

  const during = await countChangedSensors(db, { ...billable, quietSeconds: 60, longestSeconds: 60 });
  const after = await countChangedSensors(db, atOnce);
  const again = await countChangedSensors(db, atOnce);

  expect([during, again]).toEqual([undefined, undefined]);
  expect(after).toMatchObject({ organizations: 1, sensors: 30, missedHours: 0 });
  expect(await readEntries(db, id)).toEqual([30]);
});

test("a burst that does not end is counted all the same", async ({ database: { db } }) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  await registerSensors(db, id, [{ id: "a" }]);

  const count = await countChangedSensors(db, { ...billable, quietSeconds: 60, longestSeconds: 0 });

  expect(count).toMatchObject({ organizations: 1, sensors: 1 });
});

test("a change of a name, or of an inactive sensor, is no change of the number", async ({
  database: { db },
}) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  await registerSensors(db, id, [{ id: "a" }]);
  await countChangedSensors(db, atOnce);
  await putSensor(db, id, { id: "a", name: "Freezer", isActive: null });
  await registerSensors(db, id, [{ id: "a", name: "Freezer 1" }]);
  await putSensor(db, id, { id: "b", name: null, isActive: false });

  expect(await countChangedSensors(db, atOnce)).toBeUndefined();
});

test("changes on a node that is away wait there, and those of other organizations are counted", async ({
  database: { db },
}) => {
  const away = await addOrganization(db, { customer: "cus_1" });
  const other = await addOrganization(db, { customer: "cus_2" });
  const shards = eachOnItsNode([away, other]);
  for (const id of [away, other]) await registerSensors(db, id, [{ id: "a" }]);
  const bringBack = await takeNodeAway(db, away, "sensor_counts");

  const during = await countChangedSensors(db, { ...atOnce, shards });
  const waiting = await db.selectFrom("sensor_changes").select("organization_id").distinct().execute();
  await bringBack();
  const after = await countChangedSensors(db, { ...atOnce, shards });

  expect(during).toMatchObject({ organizations: 1, sensors: 1, faults: [{ code: "08006" }] });
  expect(waiting).toEqual([{ organization_id: away }]);
  expect(after).toMatchObject({ organizations: 1, sensors: 1, faults: [] });
  expect([await readEntries(db, away), await readEntries(db, other)]).toEqual([[1], [1]]);
});

test("a count follows every link, and the next customer gets the same number", async ({
  database: { db },
}) => {
  const id = await addOrganization(db);
  await registerSensors(db, id, [{ id: "a" }]);
  await countChangedSensors(db, atOnce);
  const unlinked = await readEntries(db, id);
  for (const customer of ["cus_1", "cus_2", "cus_2"]) {
    await noteOrganizationOf(db, id, customer);
    await sql`
      insert into metering.subscriptions (organization_id, stripe_customer_id, status)
      values (${id}, ${customer}, 'active')
      on conflict (organization_id) do update set stripe_customer_id = excluded.stripe_customer_id
    `.execute(db);
    await countChangedSensors(db, atOnce);
  }

  expect(unlinked).toEqual([]);
  expect(await readEntries(db, id)).toEqual([1, 1]);
});

test("a billing period that has begun since gets its own count, one that is to come does not", async ({
  database: { db },
}) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  await registerSensors(db, id, [{ id: "a" }]);
  await countChangedSensors(db, atOnce);
  await notePeriodStart(db, id, new Date(Date.now() + 86_400_000));
  await countChangedSensors(db, atOnce);
  const before = await readEntries(db, id);
  await notePeriodStart(db, id, new Date());
  await countChangedSensors(db, atOnce);
  await countSensors(db, billable);

  expect(before).toEqual([1]);
  expect(await readEntries(db, id)).toEqual([1, 1]);
});

test("counts that meet have the last number last", async ({ database: { db } }) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  const change = async (n: number) => {
    await registerSensors(db, id, [{ id: `s${n}` }]);
    await countSensors(db, billable);
  };
  await Promise.all(Array.from({ length: 20 }, (_, n) => change(n)));

  const entries = await readEntries(db, id);
  expect(entries).toEqual(entries.toSorted((a, b) => a - b));
  expect(entries.at(-1)).toBe(20);
  expect(await readStanding(db, id)).toBe(20);
});

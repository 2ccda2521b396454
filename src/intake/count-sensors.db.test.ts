import { sql } from "kysely";
import { expect } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { hourMs, hoursAgo } from "../testing/rows/hours.ts";
import { eachOnItsNode, takeNodeAway } from "../testing/rows/node-away.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { registerSensors } from "./sensors.ts";
import { countSensors } from "./count-sensors.ts";

const billable = { billableStatuses: ["active", "trialing"] };

type Row = { organization_id: string; active_sensors: number; quantity: string };

async function readCounts(db: Parameters<typeof countSensors>[0]): Promise<Row[]> {
  const { rows } = await sql<Row>`
    select c.organization_id, c.active_sensors, e.quantity
    from metering.sensor_counts c
    full join metering.meter_outbox e
      on e.organization_id = c.organization_id and e.meter = 'active_sensors'
      and date_trunc('hour', e.occurred_at, 'UTC') = c.hour
  `.execute(db);
  return rows;
}

test("active sensors are counted, zero included, with an entry for each count", async ({ database }) => {
  const { db } = database;
  const two = await addOrganization(db, { customer: "cus_1" });
  const none = await addOrganization(db, { customer: "cus_2" });
  await registerSensors(db, two, [{ id: "a" }, { id: "b" }, { id: "gone" }]);
  await sql`update metering.sensors set deactivated_at = now() where id = 'gone'`.execute(db);

  const count = await countSensors(db, billable);

  expect(count).toMatchObject({ organizations: 2, sensors: 2 });
  expect(await readCounts(db)).toEqual(
    expect.arrayContaining([
      { organization_id: two, active_sensors: 2, quantity: "2" },
      { organization_id: none, active_sensors: 0, quantity: "0" },
    ]),
  );
});

test("an organization that is not billable or has no customer is not counted", async ({ database }) => {
  const { db } = database;
  await addOrganization(db);
  const canceled = await addOrganization(db, { customer: "cus_1" });
  await sql`update metering.subscriptions set status = 'canceled' where organization_id = ${canceled}`.execute(
    db,
  );

  await countSensors(db, billable);

  expect(await readCounts(db)).toEqual([]);
});

test("a count without any organization writes nothing", async ({ database: { db } }) => {
  expect(await countSensors(db, billable)).toMatchObject({ organizations: 0, sensors: 0, faults: [] });
  expect(await readCounts(db)).toEqual([]);
});

test("a node that is away holds up the count of its own organizations only", async ({ database: { db } }) => {
  const organizations: string[] = [];
  for (const customer of ["cus_1", "cus_2", "cus_3"])
    organizations.push(await addOrganization(db, { customer }));
  const [away = "", ...others] = organizations;
  const shards = eachOnItsNode(organizations);
  const bringBack = await takeNodeAway(db, away, "sensor_counts");

  const count = await countSensors(db, { ...billable, shards });

  expect(count).toMatchObject({ organizations: 2, faults: [{ code: "08006" }] });
  const counted = (await readCounts(db)).map((row) => row.organization_id);
  expect(counted.toSorted()).toEqual(others.toSorted());
  await expect(countSensors(db, { ...billable, shards, organizationIds: [away] })).rejects.toThrow(
    "connection to the remote node failed",
  );
  await bringBack();
  expect(await countSensors(db, { ...billable, shards })).toMatchObject({ organizations: 1, faults: [] });
});

test("twenty counts at once count an organization's hour once", async ({ database }) => {
  const { db } = database;
  await addOrganization(db, { customer: "cus_1" });

  const counts = await Promise.all(Array.from({ length: 20 }, () => countSensors(db, billable)));

  const rows = await readCounts(db);
  const hours = new Set(counts.map(({ hour }) => hour.getTime())).size;
  expect(counts.reduce((sum, { organizations }) => sum + organizations, 0)).toBe(hours);
  expect(rows).toHaveLength(hours);
});

test("hours that nobody counted are told, and only the current one is counted", async ({ database }) => {
  const { db } = database;
  const id = await addOrganization(db, { customer: "cus_1" });
  await sql`
    insert into metering.sensor_counts (organization_id, hour, active_sensors)
    values (${id}, ${hoursAgo(4)}, 9)
  `.execute(db);

  const count = await countSensors(db, billable);

  // Three, unless a full hour came in between.
  const missedHours = (count.hour.getTime() - hoursAgo(3).getTime()) / hourMs;
  expect(count).toMatchObject({ organizations: 1, missedHours });
});

test("the hours that a shard of many organizations missed are those since the latest count of any", async ({
  database: { db },
}) => {
  const organizations: string[] = [];
  for (let n = 0; n < 101; n += 1) organizations.push(await addOrganization(db, { customer: `cus_${n}` }));
  await sql`
    insert into metering.sensor_counts (organization_id, hour, active_sensors)
    select id, case when id = ${organizations.at(-1)} then ${hoursAgo(3)}::timestamptz else ${hoursAgo(9)} end, 0
    from unnest(${organizations}::uuid[]) id
  `.execute(db);
  const only = { id: "only", node: "only" };
  const shards = {
    known: () => only,
    find: (ids: readonly string[]) => Promise.resolve(new Map(ids.map((id) => [id, only]))),
    forget: () => undefined,
  };

  const count = await countSensors(db, { ...billable, shards });

  // Two, unless a full hour came in between.
  const missedHours = (count.hour.getTime() - hoursAgo(2).getTime()) / hourMs;
  expect(count).toMatchObject({ organizations: 101, missedHours });
});

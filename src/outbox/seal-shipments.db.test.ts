import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { type ShipmentJob, shipmentQueueOf } from "../queue/queues.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { readDeliverJobs, readShipments } from "../testing/rows/meter-events.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { sealDueEntries } from "./seal.ts";

const meters = ["temperature_readings"] as const;
const queue = shipmentQueueOf("temperature_readings");

test("events of many organizations go with shipments, and each is named by its own once", async ({
  database: { db },
  boss,
}) => {
  await addUsage(db, 12, [1]);

  // A cluster seals by shard, on each of which there are few.
  expect(await sealDueEntries({ db, boss }, { meters, eventsPerShipmentMin: 1 })).toMatchObject({
    events: 12,
  });

  const events = await db
    .selectFrom("meter_events")
    .select(["id", "organization_id", "shipment_id"])
    .execute();
  const shipments = await boss.fetch<ShipmentJob>(queue, { batchSize: 100 });
  const named = shipments.flatMap(({ id, data }) =>
    data.events.map(({ organizationId, meterEventId }) => `${organizationId} ${meterEventId} ${id}`),
  );
  expect(named.toSorted()).toEqual(
    events.map(({ id, organization_id: of, shipment_id: by }) => `${of} ${id} ${by}`).toSorted(),
  );
  expect(await readDeliverJobs(db)).toEqual([]);
});

test("the events of a few organizations get reminders of their own", async ({ database: { db }, boss }) => {
  await addUsage(db, 7, [1]);

  await sealDueEntries({ db, boss }, { meters });

  expect(await readDeliverJobs(db)).toHaveLength(7);
  expect(await readShipments(db)).toEqual([]);
  const events = await db.selectFrom("meter_events").select("shipment_id").execute();
  expect(events.map(({ shipment_id: id }) => id)).toEqual(Array(7).fill(null));
});

test("the first events of all organizations go before the second ones", async ({
  database: { db },
  boss,
}) => {
  await addUsage(db, 8, [3, 2, 1]);

  await sealDueEntries({ db, boss }, { meters, eventsPerShipmentMin: 1 });

  const turns = (await readShipments(db)).map(({ priority }) => priority);
  expect(new Set(turns)).toEqual(new Set([0, -1, -2]));
});

test("an organization that is sealed first has no shipment, and nor has what is not sent", async ({
  database: { db },
  boss,
}) => {
  const [first] = await addUsage(db, 9, [1]);

  await sealDueEntries({ db, boss }, { meters, onlyOrganizationId: first ?? "", eventsPerShipmentMin: 1 });
  expect(await readShipments(db)).toEqual([]);
  expect(await readDeliverJobs(db)).toHaveLength(1);
  await sealDueEntries({ db, boss }, { meters, isShadow: true });
  expect(await readShipments(db)).toEqual([]);
  expect(await readDeliverJobs(db)).toHaveLength(1);
});

test("nothing is sealed while the queue of shipments is lost", async ({ database: { db }, boss }) => {
  await addUsage(db, 8, [1]);
  await boss.deleteQueue(queue);

  await expect(sealDueEntries({ db, boss }, { meters, eventsPerShipmentMin: 1 })).rejects.toThrow("Queue");

  const events = await db.selectFrom("meter_events").select("id").execute();
  expect(events).toEqual([]);
});

async function addUsage(db: Db, organizations: number, hours: readonly number[]): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < organizations; n += 1) {
    const id = await addOrganization(db, { customer: `cus_${n}` });
    await appendEntries(
      db,
      id,
      hours.map((hour) => ({ at: hoursAgo(hour, 1), quantity: 1 })),
    );
    ids.push(id);
  }
  return ids;
}

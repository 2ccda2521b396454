import { sql } from "kysely";
import { expect } from "vitest";
import { shipmentQueueOf } from "../queue/queues.ts";
import { countStarted, idsOf, shipmentsTest as test } from "../testing/fixtures/shipments-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { readDeliverJobs, readShipments } from "../testing/rows/meter-events.ts";
import { refuseJobs } from "../testing/rows/refused-jobs.ts";

const meter = "temperature_readings";
const queue = shipmentQueueOf(meter);

test("events whose attempts the database refuses to count wait, and are counted as soon as they can be", async ({
  taker,
  add,
  database: { db },
}) => {
  const { keys } = await add(8);
  await sql`
    create function metering.refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
  `.execute(db);
  await sql`
    create trigger refused before update of attempts_started on metering.meter_events for each row execute function metering.refuse()
  `.execute(db);

  await expect(taker.take()).rejects.toThrow("refused");

  expect(taker.open.waiting(meter)).toBe(8);
  await sql`drop function metering.refuse() cascade`.execute(db);
  await until(async () => idsOf((await taker.take()).taken).length === keys.length, {
    what: "the attempts to begin",
  });
  expect(await countStarted(db)).toBe(8);
});

test("a shipment whose end the database refuses ends as soon as it can", async ({
  taker,
  add,
  database: { db },
}) => {
  await add(8);
  const { taken } = await taker.take();
  const allowJobs = await refuseJobs(db, "delete");

  await taker.settle(taken);

  expect(taker.events).toContainEqual(expect.objectContaining({ event: "release_failed", count: 1 }));
  await allowJobs();
  await until(async () => (await readShipments(db)).length === 0, { what: "the shipment to end" });
});

test("events that cannot be handed back are handed back as soon as they can be, and the others go", async ({
  taker,
  add,
  database: { db },
}) => {
  const { keys } = await add(8);
  await sql`
    update metering.meter_events set attempts_started = 1, last_attempt_at = now() where id = ${keys[0]?.meterEventId}
  `.execute(db);
  const allowJobs = await refuseJobs(db, "insert");

  const { taken } = await taker.take();

  expect(taken).toHaveLength(7);
  expect(taker.events).toContainEqual(expect.objectContaining({ event: "release_failed", count: 1 }));
  await allowJobs();
  await until(async () => (await readDeliverJobs(db)).length === 1, { what: "the reminder" });
});

test("shipments that are none of ours are named, done with, and stop nobody", async ({
  taker,
  add,
  boss,
  database: { db },
}) => {
  const garbage = [
    {},
    { events: [] },
    { events: [{ organizationId: "x", meterEventId: 7 }] },
    { events: "all" },
  ];
  for (const data of garbage) await boss.send(queue, data);
  const { keys } = await add(8);

  const { taken } = await taker.take(200);

  expect(idsOf(taken)).toEqual(idsOf(keys));
  expect(taker.events).toContainEqual(expect.objectContaining({ event: "deliver_jobs_unreadable" }));
  const states = (await readShipments(db)).map(({ state }) => state);
  expect(states.toSorted()).toEqual(["active", ...garbage.map(() => "completed")]);
});

test("an event of a shipment that does not exist, or is another organization's, is done with", async ({
  taker,
  add,
  boss,
  database: { db },
}) => {
  const stranger = "01a1fd79-0000-7000-8000-000000000001";
  const { keys } = await add(8);
  const [first, second] = keys;
  await boss.send(queue, {
    events: [
      { organizationId: stranger, meterEventId: stranger },
      { organizationId: first?.organizationId, meterEventId: second?.meterEventId },
    ],
  });

  const { taken } = await taker.take(200);
  await taker.settle(taken);
  // An event that waited for its customer is looked at when it is free.
  const later = await taker.take();
  await taker.settle(later.taken);

  expect(idsOf([...taken, ...later.taken])).toEqual(idsOf(keys));
  expect(await readShipments(db)).toEqual([]);
});

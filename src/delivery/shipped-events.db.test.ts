import { sql } from "kysely";
import { expect } from "vitest";
import { silentLog } from "../log.ts";
import { shipmentQueueOf } from "../queue/queues.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import {
  addShipment,
  hurryDeliverJobs,
  readDeliverJobs,
  readShipments,
} from "../testing/rows/meter-events.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import { beginAttempts } from "./begin-attempts.ts";
import { hurryOrganization } from "./hurry.ts";
import { listLeases } from "./leases.ts";
import { findMeterEvent } from "./meter-events.ts";
import { createOpenShipments } from "./open-shipments.ts";
import { retryPending } from "./retry-rejected.ts";
import { sweepMeterEvents } from "./sweep.ts";
import { takeJobs } from "./take-jobs.ts";
import { takeShipped } from "./take-shipments.ts";

// What else on the road looks for an event's reminder, and must know of shipments.

const meter = "temperature_readings";
const queue = shipmentQueueOf(meter);
const lease = { leaseSeconds: 45 };

test("a sweep makes no reminders for events whose shipment waits or is under way", async ({
  database: { db },
  boss,
}) => {
  await addShipment({ db, boss }, 8);

  expect(await sweepMeterEvents({ db, boss }, lease)).toMatchObject({ reminded: 0 });
  await boss.fetch(queue);
  expect(await sweepMeterEvents({ db, boss }, lease)).toMatchObject({ reminded: 0 });
  expect(await readDeliverJobs(db)).toEqual([]);
});

test("a sweep makes a reminder for each event whose shipment is lost", async ({ database: { db }, boss }) => {
  const { id, keys } = await addShipment({ db, boss }, 8);
  await addShipment({ db, boss }, 8);
  await boss.deleteJob(queue, id);

  expect(await sweepMeterEvents({ db, boss }, lease)).toMatchObject({ reminded: 8 });

  const reminded = (await readDeliverJobs(db)).map(({ meterEventId }) => meterEventId);
  expect(reminded.toSorted()).toEqual(keys.map(({ meterEventId }) => meterEventId).toSorted());
});

test("an operator's retry makes no reminders for events whose shipment waits, and makes those that are lost", async ({
  database: { db },
  boss,
}) => {
  const { id } = await addShipment({ db, boss }, 8);
  await addShipment({ db, boss }, 9);

  expect(await retryPending({ db, boss }, {})).toBe(17);
  expect(await readDeliverJobs(db)).toEqual([]);
  await boss.deleteJob(queue, id);
  expect(await retryPending({ db, boss }, {})).toBe(17);
  expect(await readDeliverJobs(db)).toHaveLength(8);
});

test("events of an organization that is hurried leave their shipment and go ahead of all", async ({
  database: { db },
  boss,
}) => {
  const { keys } = await addShipment({ db, boss }, 8);
  const [first] = keys;

  await hurryOrganization({ db, boss }, first?.organizationId ?? "");

  const jobs = await readDeliverJobs(db);
  expect(jobs).toMatchObject([{ meterEventId: first?.meterEventId, state: "created" }]);
  expect(jobs[0]?.priority).toBeGreaterThan(0);
  const deps = { db, boss, log: silentLog, open: createOpenShipments(() => performance.now()) };
  const alone = await takeJobs(deps, meter, { room: 10, ...lease });
  expect(alone.taken).toMatchObject([{ attempt: first }]);
  // Of the shipment it does not begin a second time.
  expect((await takeShipped(deps, meter, { room: 10, ...lease })).taken).toHaveLength(7);
});

test("an event of a shipment tells what it waits for", async ({ database: { db }, boss }) => {
  const { keys } = await addShipment({ db, boss }, 2);
  const [first, second] = keys;
  const waits = async () => {
    const found = await Promise.all(keys.map(({ meterEventId }) => findMeterEvent(db, meterEventId)));
    return found.map((event) => [event?.waitsFor, event?.nextAttemptAt instanceof Date]);
  };

  expect(await waits()).toEqual([
    ["turn", true],
    ["turn", true],
  ]);
  const [job] = await boss.fetch(queue);
  await beginAttempts(db, keysOf(first), lease);
  expect(await waits()).toEqual([
    ["attempt_under_way", false],
    ["turn", false],
  ]);
  await boss.deleteJob(queue, job?.id ?? "");
  expect(await waits()).toEqual([
    ["reminder", false],
    ["reminder", false],
  ]);
  expect(second).toBeDefined();
});

test("an event that was put off tells so while others of its shipment are under way", async ({
  database: { db },
  boss,
}) => {
  const { keys } = await addShipment({ db, boss }, 8);
  const [first] = keys;
  await boss.fetch(queue);
  await hurryOrganization({ db, boss }, first?.organizationId ?? "");
  await sql`update pgboss.job set start_after = now() + interval '5 minutes' where name like 'deliver-%'`.execute(
    db,
  );

  const found = await findMeterEvent(db, first?.meterEventId ?? "");

  expect([found?.waitsFor, found?.nextAttemptAt]).toEqual(["backoff", expect.any(Date)]);
});

test("an attempt of a shipment has the shipment's lease", async ({ database: { db }, boss }) => {
  const { keys } = await addShipment({ db, boss }, 8);
  const [first] = keys;
  await boss.fetch(queue);
  await beginAttempts(db, keysOf(first), lease);

  const [leased, ...others] = await listLeases(db, { limit: 10 });

  expect(others).toEqual([]);
  expect(leased).toMatchObject({ meterEventId: first?.meterEventId, attempt: 1 });
  expect((leased?.until?.getTime() ?? 0) - Date.now()).toBeGreaterThan(30_000);
  const [shipment] = await readShipments(db);
  await boss.deleteJob(queue, shipment?.id ?? "");
  expect(await listLeases(db, { limit: 10 })).toMatchObject([{ until: null }]);
  await hurryDeliverJobs(db);
});

function keysOf(key: MeterEventKey | undefined): MeterEventKey[] {
  return key === undefined ? [] : [key];
}

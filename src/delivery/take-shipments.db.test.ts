import { sql } from "kysely";
import { expect } from "vitest";
import { shipmentQueueOf } from "../queue/queues.ts";
import {
  countStarted,
  emptyQueueMs,
  idsOf,
  putOff,
  shipmentsTest as test,
} from "../testing/fixtures/shipments-fixture.ts";
import { until } from "../testing/processes/until.ts";
import {
  addDueEvent,
  ago,
  hurryDeliverJobs,
  minuteMs,
  readDeliverJobs,
  readShipments,
} from "../testing/rows/meter-events.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import type { TakenJob } from "./take-jobs.ts";

const meter = "temperature_readings";
const queue = shipmentQueueOf(meter);
const organizationsOf = (keys: readonly MeterEventKey[]) => keys.map(({ organizationId }) => organizationId);

test("every event of a shipment comes with a counted attempt, and its job ends with the last of them", async ({
  taker,
  add,
  database: { db },
}) => {
  const { id, keys } = await add(10);

  const { found, taken } = await taker.take();

  expect(found).toBe(11);
  expect(idsOf(taken)).toEqual(idsOf(keys));
  expect(taken.map(({ attempt, job }) => ({ attempt: attempt.attempt, job }))).toEqual(
    keys.map(() => ({ attempt: 1, job: undefined })),
  );
  expect(await readShipments(db)).toEqual([{ id, state: "active", priority: 0, retryCount: 0 }]);
  await taker.settle(taken.slice(1));
  expect(await readShipments(db)).toHaveLength(1);
  await taker.settle(taken.slice(0, 1));
  expect(await readShipments(db)).toEqual([]);
  expect(await readDeliverJobs(db)).toEqual([]);
});

test("what there is no room for waits without an attempt, and is taken as room comes", async ({
  taker,
  add,
  database: { db },
}) => {
  const { keys } = await add(10);

  const first = await taker.take(4);
  expect(first.taken).toHaveLength(4);
  expect(await countStarted(db)).toBe(4);
  const second = await taker.take(4);
  const third = await taker.take(4);

  expect(idsOf([...first.taken, ...second.taken, ...third.taken])).toEqual(idsOf(keys));
  expect(await taker.take()).toEqual({ found: 0, taken: [] });
});

test("a queue that was empty is asked again after a while, or when something was sealed, and events that wait go meanwhile", async ({
  taker,
  add,
}) => {
  const { keys } = await add(2);
  await add(organizationsOf(keys));
  const first = await taker.takeAtTimes();
  await add(1);
  expect((await taker.takeAtTimes()).taken).toHaveLength(1);
  // The customers' second events wait for the first ones; there is no further shipment.
  expect((await taker.takeAtTimes()).found).toBe(0);
  await add(3);
  await taker.settle(first.taken);
  expect((await taker.takeAtTimes()).taken).toHaveLength(2);

  taker.clock.nowMs += emptyQueueMs - 1;
  expect((await taker.takeAtTimes()).taken).toEqual([]);
  taker.clock.nowMs += 1;
  expect((await taker.takeAtTimes()).taken).toHaveLength(3);

  expect((await taker.takeAtTimes()).taken).toEqual([]);
  await add(4);
  taker.emptyQueues.wake(queue);
  expect((await taker.takeAtTimes()).taken).toHaveLength(4);
});

test("one event of each customer is taken, and the next when it has ended", async ({
  taker,
  add,
  database: { db },
}) => {
  const first = await add(8);
  await add(organizationsOf(first.keys));

  const { taken } = await taker.take();
  expect(taken).toHaveLength(8);
  expect((await taker.take()).taken).toEqual([]);
  await taker.settle(taken.slice(0, 3));

  const next = await taker.take();
  expect(organizationsOf(next.taken.map(({ attempt }) => attempt)).toSorted()).toEqual(
    organizationsOf(taken.slice(0, 3).map(({ attempt }) => attempt)).toSorted(),
  );
  await taker.settle([...taken.slice(3), ...next.taken]);
  await taker.settle((await taker.take()).taken);
  expect(await readShipments(db)).toEqual([]);
});

test("many events of each customer are taken where that is asked for", async ({ taker, add }) => {
  const first = await add(8);
  await add(organizationsOf(first.keys));

  expect((await taker.take(100, { manyOfEach: true })).taken).toHaveLength(16);
});

test("events whose customer another worker has under way are not counted, and go when it has ended", async ({
  taker,
  other,
  add,
  database: { db },
}) => {
  const first = await add(8);
  const { taken } = await other.take();
  const second = await add(organizationsOf(first.keys));

  expect((await taker.take()).taken).toEqual([]);
  expect(await countStarted(db)).toBe(8);
  await other.settle(taken.slice(0, 5));

  const begun: TakenJob[] = [];
  await until(
    async () => {
      begun.push(...(await taker.take()).taken);
      return begun.length >= 5;
    },
    { what: "five events to begin" },
  );
  expect(begun).toHaveLength(5);
  const free = organizationsOf(taken.slice(0, 5).map(({ attempt }) => attempt));
  expect(idsOf(begun)).toEqual(
    idsOf(second.keys.filter(({ organizationId }) => free.includes(organizationId))),
  );
});

test("events whose customer a single event's job has under way wait for it", async ({
  taker,
  add,
  database: { db },
  boss,
}) => {
  const { keys } = await add(8);
  const [first] = keys;
  await addDueEvent(
    { db, boss },
    {
      ...(first !== undefined && { organization_id: first.organizationId }),
      attempts_started: 1,
      last_attempt_at: new Date(),
      first_unknown_at: new Date(),
    },
  );
  await boss.fetch(`deliver-${meter}`);

  expect(idsOf((await taker.take()).taken)).toEqual(idsOf(keys.slice(1)));
});

test("of workers that take at once, one gets each event", async ({ taker, other, add }) => {
  const all = [await add(20), await add(20), await add(20)].flatMap(({ keys }) => keys);

  const takes = await Promise.all([taker, other, taker, other].map((one) => one.take(30)));
  const later = await Promise.all([taker, other, taker, other].map((one) => one.take(30)));

  expect(idsOf([...takes, ...later].flatMap(({ taken }) => taken))).toEqual(idsOf(all));
});

test.for(["delivered", "rejected", "in_doubt", "superseded"] as const)(
  "a shipment whose events are %s is done with",
  async (state, { taker, add, database: { db } }) => {
    await add(8, { state });

    expect((await taker.take()).taken).toEqual([]);

    expect(await readShipments(db)).toEqual([]);
    expect(await readDeliverJobs(db)).toEqual([]);
  },
);

test("an event that may not be sent yet gets a reminder of its own, and the others go", async ({
  taker,
  add,
  database: { db },
}) => {
  const { keys } = await add(8);
  const [early] = keys;
  await sql`
    update metering.meter_events set attempts_started = 1, last_attempt_at = now() where id = ${early?.meterEventId}
  `.execute(db);

  const { taken } = await taker.take();

  expect(idsOf(taken)).toEqual(idsOf(keys.slice(1)));
  expect((await readDeliverJobs(db)).map(({ meterEventId }) => meterEventId)).toEqual([early?.meterEventId]);
  await taker.settle(taken);
  expect(await readShipments(db)).toEqual([]);
});

test("an event ahead of Stripe's clock gets a reminder of its own", async ({
  taker,
  add,
  database: { db },
}) => {
  await add(8, { event_at: ago(minuteMs) });

  expect((await taker.take(100, { sendableUntil: ago(2 * minuteMs) })).taken).toEqual([]);

  expect(await readDeliverJobs(db)).toHaveLength(8);
  expect(await readShipments(db)).toEqual([]);
});

test("a shipment that a worker was lost with is not taken again: its events get reminders of their own", async ({
  taker,
  add,
  database: { db },
  boss,
}) => {
  const { id, keys } = await add(8);
  await boss.fetch(queue);
  await boss.fail(queue, id);
  await hurryDeliverJobs(db);

  expect((await taker.take()).taken).toEqual([]);

  expect(
    idsOf(await readDeliverJobs(db).then((jobs) => jobs.map((job) => ({ ...job, organizationId: "" })))),
  ).toEqual(idsOf(keys));
  expect(await readShipments(db)).toEqual([]);
  expect(await countStarted(db)).toBe(0);
});

test("what has waited here for too long may go by any worker, and what has begun stays", async ({
  taker,
  add,
  database: { db },
}) => {
  const { keys } = await add(10);
  const { taken } = await taker.take(4);

  await taker.unloadLate(60_000);
  expect(await readDeliverJobs(db)).toEqual([]);
  await taker.unloadLate(-1);

  expect(await readDeliverJobs(db)).toHaveLength(6);
  expect((await taker.take()).taken).toEqual([]);
  expect(await readShipments(db)).toHaveLength(1);
  await taker.settle(taken);
  expect(await readShipments(db)).toEqual([]);
  expect(await countStarted(db)).toBe(4);
  expect(keys).toHaveLength(10);
});

test("an event that failed gets a reminder of its own, which is put off as pg-boss puts off", async ({
  taker,
  add,
  database: { db },
  boss,
}) => {
  const { keys } = await add(8);
  const { taken } = await taker.take();

  await taker.settle(taken.slice(0, 1), putOff);
  await taker.settle(taken.slice(1));

  const [failed] = taken;
  const [job] = await readDeliverJobs(db);
  expect(job).toMatchObject({ meterEventId: failed?.attempt.meterEventId, state: "created" });
  expect(job?.dueInMs).toBeGreaterThan(4_000);
  expect(job?.dueInMs).toBeLessThanOrEqual(10_000);
  expect(await readShipments(db)).toEqual([]);
  // The next pause is twice as long.
  await hurryDeliverJobs(db);
  await boss.fetch(`deliver-${meter}`);
  await boss.fail(`deliver-${meter}`, job?.id ?? "");
  const [again] = await readDeliverJobs(db);
  expect(again?.dueInMs).toBeGreaterThan(9_000);
  expect(again?.dueInMs).toBeLessThanOrEqual(20_000);
  expect(keys).toHaveLength(8);
});

test("an attempt that was overtaken makes no reminder", async ({ taker, add, database: { db } }) => {
  await add(8);
  const { taken } = await taker.take();
  await sql`update metering.meter_events set attempts_started = 2`.execute(db);

  await taker.settle(taken, putOff);

  expect(await readDeliverJobs(db)).toEqual([]);
});

import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import type { Pool } from "pg";
import type { PgBoss } from "pg-boss";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { deliverQueueOf, shipmentQueueOf } from "../queue/queues.ts";
import {
  addDueEvent,
  addShipment,
  hurryDeliverJobs,
  readDeliverJobs,
  readMeterEvent,
} from "../testing/rows/meter-events.ts";
import { refuseJobs } from "../testing/rows/refused-jobs.ts";
import { until } from "../testing/processes/until.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import { takeJobs } from "./take-jobs.ts";
import { unwatched } from "./watch.ts";

const meter = "temperature_readings";
const queue = deliverQueueOf(meter);

function createTaker({ db, boss }: { db: Db; boss: PgBoss }) {
  const { log, events } = createRecordingLog();
  let failures = 0;
  const watch = { ...unwatched, onFailed: () => void (failures += 1) };
  return {
    events,
    failures: () => failures,
    take: (room = 100, through: Db = db) =>
      takeJobs({ db: through, boss, log, watch }, meter, { room, leaseSeconds: 45 }),
    addEvent: (change?: Parameters<typeof addDueEvent>[1]) => addDueEvent({ db, boss }, change),
    /** Another program may do so: a job under a singleton key of its own. */
    addJob: (data: object) => boss.send(queue, data, { singletonKey: randomUUID() }),
    jobs: () => readDeliverJobs(db),
  };
}

const test = roadTest.extend("taker", async ({ database: { db }, boss }) => createTaker({ db, boss }));

test("an event's job comes with a counted attempt", async ({ taker, database: { db } }) => {
  const key = await taker.addEvent();

  const { jobs, taken } = await taker.take();

  expect(jobs).toBe(1);
  const [job] = await taker.jobs();
  expect(taken).toMatchObject([{ attempt: { ...key, attempt: 1 }, job: { id: job?.id, retryCount: 0 } }]);
  expect(job?.state).toBe("active");
  expect(await readMeterEvent(db, key)).toMatchObject({ attempts_started: 1, attempts_finished: 0 });
});

test("an empty queue gives nothing", async ({ taker }) => {
  expect(await taker.take()).toEqual({ jobs: 0, taken: [] });
});

test("no more jobs are taken than there is room for, and the others stay where they are", async ({
  taker,
}) => {
  for (let i = 0; i < 3; i += 1) await taker.addEvent({ stripe_customer_id: `cus_${i}` });

  expect((await taker.take(2)).taken).toHaveLength(2);

  expect((await taker.jobs()).map(({ state }) => state).toSorted()).toEqual(["active", "active", "created"]);
});

test("one event of each customer and meter is taken, the next when it has ended", async ({
  taker,
  boss,
  database: { db },
}) => {
  const first = await taker.addEvent();
  await taker.addEvent({ organization_id: first.organizationId });
  await taker.addEvent({ stripe_customer_id: "cus_2" });

  const { taken } = await taker.take();
  expect(taken.map(({ attempt }) => attempt.stripeCustomerId).toSorted()).toEqual(["cus_1", "cus_2"]);
  expect((await taker.take()).taken).toEqual([]);

  await sql`update metering.meter_events set attempts_finished = attempts_started`.execute(db);
  await boss.complete(
    queue,
    taken.map(({ job }) => job),
  );
  expect((await taker.take()).taken).toMatchObject([{ attempt: { stripeCustomerId: "cus_1" } }]);
});

test("jobs whose attempts the database refuses to count are given back, and hold up no customer", async ({
  taker,
  database: { db, pool },
}) => {
  const key = await taker.addEvent();
  const allowAttempts = await refuseAttempts(pool);

  await expect(taker.take()).rejects.toThrow("refused");

  expect((await taker.jobs()).map(({ state }) => state)).toEqual(["retry"]);
  await allowAttempts();
  await hurryDeliverJobs(db);
  expect((await taker.take()).taken).toMatchObject([{ attempt: { ...key, attempt: 1 } }]);
});

test("jobs are given back where it cannot be read what else is under way", async ({
  taker,
  database: { db },
}) => {
  const key = await taker.addEvent();
  // Only the look at the jobs of shipments fails.
  const failing = db.withPlugin({
    transformQuery({ node }) {
      if (JSON.stringify(node).includes("select j.data")) throw new Error("connection terminated");
      return node;
    },
    transformResult: async ({ result }) => result,
  });

  await expect(taker.take(100, failing)).rejects.toThrow("terminated");

  expect((await taker.jobs()).map(({ state }) => state)).toEqual(["retry"]);
  await hurryDeliverJobs(db);
  expect((await taker.take()).taken).toMatchObject([{ attempt: { ...key, attempt: 1 } }]);
});

test("jobs that cannot even be given back are given back as soon as they can be, long before their leases end", async ({
  taker,
  database: { db, pool },
}) => {
  const key = await taker.addEvent();
  const allowAttempts = await refuseAttempts(pool);
  const allowJobs = await refuseJobs(db, "delete");

  await expect(taker.take()).rejects.toThrow("refused");

  expect((await taker.jobs()).map(({ state }) => state)).toEqual(["active"]);
  expect(taker.events).toContainEqual(expect.objectContaining({ event: "release_failed", count: 1 }));
  expect(taker.failures()).toBe(1);
  await allowAttempts();
  await allowJobs();
  await until(async () => (await taker.jobs())[0]?.state === "retry", { what: "the job to be given back" });
  await hurryDeliverJobs(db);
  expect((await taker.take()).taken).toMatchObject([{ attempt: { ...key, attempt: 1 } }]);
});

test("attempts that have begun go out although the jobs beside them cannot be ended, and these end later", async ({
  taker,
  database: { db },
}) => {
  const key = await taker.addEvent();
  await taker.addEvent({ stripe_customer_id: "cus_2", state: "delivered" });
  const allowJobs = await refuseJobs(db, "delete");

  const { jobs, taken } = await taker.take();

  expect(jobs).toBe(2);
  expect(taken).toMatchObject([{ attempt: key }]);
  expect(await taker.jobs()).toHaveLength(2);
  await allowJobs();
  await until(async () => (await taker.jobs()).length === 1, { what: "the other job to end" });
});

test("an event whose customer a shipment has under way waits a second, and is not counted", async ({
  taker,
  boss,
  database: { db },
}) => {
  const { keys } = await addShipment({ db, boss }, 8, { attempts_started: 1, last_attempt_at: new Date() });
  await boss.fetch(shipmentQueueOf(meter));
  const [first] = keys;
  const organizationId = first?.organizationId ?? "";
  const second = await taker.addEvent({ organization_id: organizationId });
  const gauge = await taker.addEvent({ organization_id: organizationId, meter: "active_sensors" });

  expect(await taker.take()).toEqual({ jobs: 1, taken: [] });

  const [job] = await readDeliverJobs(db, second);
  expect(job).toMatchObject({ state: "created", retryCount: 0, group: `cus_1:${meter}` });
  expect(job?.dueInMs).toBeLessThanOrEqual(1_000);
  expect(await readMeterEvent(db, second)).toMatchObject({ attempts_started: 0 });
  expect(await readDeliverJobs(db, gauge)).toMatchObject([{ state: "created", retryCount: 0 }]);
  await sql`update metering.meter_events set attempts_finished = attempts_started`.execute(db);
  await hurryDeliverJobs(db);
  expect((await taker.take()).taken).toMatchObject([{ attempt: second }]);
});

test("of workers that take at once, one gets the event", async ({ taker }) => {
  await taker.addEvent();

  const all = await Promise.all(Array.from({ length: 6 }, () => taker.take()));

  expect(all.flatMap(({ taken }) => taken)).toHaveLength(1);
});

const garbage = [
  {},
  { organizationId: "x", meterEventId: 7 },
  { organizationId: "01a1fd79-0000-7000-8000-000000000001" },
  { readings: [1, 2, 3] },
];

test("jobs that are none of ours are named, done with, and stop nobody", async ({ taker }) => {
  for (const data of garbage) await taker.addJob(data);
  const key = await taker.addEvent();

  const { jobs, taken } = await taker.take();

  expect(jobs).toBe(garbage.length + 1);
  expect(taken).toMatchObject([{ attempt: key }]);
  const states = (await taker.jobs()).map(({ state }) => state);
  expect(states.toSorted()).toEqual(["active", ...garbage.map(() => "completed")]);
  expect(taker.events).toContainEqual(expect.objectContaining({ event: "deliver_jobs_unreadable" }));
});

test("a job of an event that does not exist is done with", async ({ taker }) => {
  const stranger = "01a1fd79-0000-7000-8000-000000000001";
  await taker.addJob({ organizationId: stranger, meterEventId: stranger });

  expect(await taker.take()).toEqual({ jobs: 1, taken: [] });

  expect(await taker.jobs()).toEqual([]);
});

test("an event that several jobs name, also under another organization, is attempted once", async ({
  taker,
}) => {
  const key = await taker.addEvent();
  const other = await taker.addEvent({ stripe_customer_id: "cus_2" });
  await taker.addJob(key);
  await taker.addJob({ ...key, organizationId: other.organizationId });

  const { jobs, taken } = await taker.take();

  expect(jobs).toBe(4);
  expect(taken.map(({ attempt }) => attempt.meterEventId).toSorted()).toEqual(
    [key.meterEventId, other.meterEventId].toSorted(),
  );
});

test.for(["delivered", "rejected", "in_doubt", "superseded"] as const)(
  "a job whose event is %s is done with",
  async (state, { taker }) => {
    await taker.addEvent({ state });

    expect(await taker.take()).toEqual({ jobs: 1, taken: [] });

    expect(await taker.jobs()).toEqual([]);
  },
);

test("a job whose event is being attempted elsewhere is put off", async ({ taker, database: { db } }) => {
  await taker.addEvent({ attempts_started: 1, last_attempt_at: new Date(), first_unknown_at: new Date() });

  expect(await taker.take()).toEqual({ jobs: 1, taken: [] });

  const [job] = await taker.jobs();
  expect(job?.state).toBe("retry");
  expect(job?.dueInMs).toBeGreaterThan(1_000);
  await hurryDeliverJobs(db);
  expect((await taker.take()).jobs).toBe(1);
});

/** The database refuses to count attempts, as one that may only be read. Returns what allows it again. */
async function refuseAttempts(pool: Pool): Promise<() => Promise<unknown>> {
  await pool.query(
    `create function public.refuse() returns trigger language plpgsql as
     $$ begin raise exception 'refused' using errcode = 'read_only_sql_transaction'; end $$`,
  );
  await pool.query(
    "create trigger refuse before update on metering.meter_events for each row execute function public.refuse()",
  );
  return () => pool.query("drop trigger refuse on metering.meter_events");
}

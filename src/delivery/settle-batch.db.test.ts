import { sql } from "kysely";
import pg from "pg";
import { Registry } from "prom-client";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { createShards } from "../database/shards.ts";
import { askThrough } from "../database/shards-of.ts";
import { watchDelivery } from "../monitoring/metrics/delivery-metrics.ts";
import type { StripeAnswer } from "../stripe/answer.ts";
import { addDueEvent, readAttempts, readDeliverJobs, readMeterEvent } from "../testing/rows/meter-events.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { eachOnItsShard } from "../testing/rows/node-away.ts";
import { openWatched, tookTooLong } from "../testing/postgres/watched-statements.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { countWaitingForLocks } from "../testing/postgres/locks.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import { parseScrape } from "../testing/net/scraped.ts";
import { addNeighbours } from "../testing/rows/neighbours.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import { deliver } from "./deliver.ts";
import type { FinishedAttempt } from "./settle.ts";
import { settleBatch } from "./settle-batch.ts";
import { createSettler } from "./settler.ts";
import { type TakenJob, takeJobs } from "./take-jobs.ts";
import { unwatched } from "./watch.ts";

const meter = "temperature_readings";
const accepted: StripeAnswer = { kind: "success", httpStatus: 200, requestId: "req_1" };

const test = roadTest.extend("desk", async ({ database: { db }, boss }) => {
  const { log, events } = createRecordingLog();
  const registry = new Registry();
  const deps = { db, boss, log, shards: createShards(askThrough(db)) };
  const settler = createSettler(deps, { watch: { ...watchDelivery(registry), onFailed() {} } });
  /** Delivers the due events by `send`. */
  async function answerAll(send: (identifier: string) => StripeAnswer): Promise<FinishedAttempt[]> {
    const { taken } = await takeJobs(deps, meter, { room: 100, leaseSeconds: 45 });
    const attempts = taken.map((one: TakenJob) =>
      deliver([one], {
        transport: {
          eventsPerRequestMax: 1,
          send: async ([request]) => send(request?.identifier ?? ""),
        },
        eventNames: { temperature_readings: "temperature_readings", active_sensors: "active_sensors" },
        now: () => new Date(),
        log,
      }),
    );
    return (await Promise.all(attempts)).flat();
  }
  return {
    events,
    answerAll,
    settle: settler.settle,
    /** Delivers the due events by `send`, and settles all of them. */
    deliverAll: async (send: (identifier: string) => StripeAnswer): Promise<void> => {
      await Promise.all((await answerAll(send)).map(settler.settle));
    },
    scrape: async () => parseScrape(await registry.metrics()),
    addEvents: async (count: number): Promise<MeterEventKey[]> => {
      const keys: MeterEventKey[] = [];
      for (let i = 0; i < count; i += 1) {
        keys.push(await addDueEvent({ db, boss }, { stripe_customer_id: `cus_${i}` }));
      }
      return keys;
    },
  };
});

async function statesOf(db: Db, keys: readonly MeterEventKey[]): Promise<string[]> {
  return Promise.all(keys.map(async (key) => (await readMeterEvent(db, key)).state));
}

test("an event that another program has locked holds up the settling of no other", async ({
  desk,
  database: { db, pool },
  boss,
}) => {
  // On a cluster they share a shard, and so what its statements lock.
  const neighbours = await addNeighbours(pool, 2);
  const keys = await Promise.all(
    neighbours.map((id) =>
      addDueEvent({ db, boss }, { organization_id: id, stripe_customer_id: `cus_${id}` }),
    ),
  );
  const [first, second] = await desk.answerAll(() => accepted);
  if (first === undefined || second === undefined) throw new Error("two attempts were expected");
  const { organizationId, meterEventId } = first.attempt;
  const lock = await db.startTransaction().execute();
  await sql`
    select from metering.meter_events where organization_id = ${organizationId} and id = ${meterEventId} for update
  `.execute(lock);

  const settling = desk.settle(first);
  // Answers of the same few milliseconds would share its transaction.
  await expect.poll(() => countWaitingForLocks(pool)).toBe(1);
  await desk.settle(second);

  expect((await statesOf(db, keys)).toSorted()).toEqual(["delivered", "pending"]);
  await lock.rollback().execute();
  await settling;
  expect(await statesOf(db, keys)).toEqual(["delivered", "delivered"]);
});

test("an answer that holds what Postgres cannot store is stored without it, and holds up no other", async ({
  desk,
  database: { db },
}) => {
  const keys = await desk.addEvents(3);
  const message = `No\0 such \ud800 thing`;

  await desk.deliverAll((identifier) =>
    identifier === keys[1]?.meterEventId
      ? {
          kind: "error",
          httpStatus: 500,
          code: "a\0b",
          type: "api_error",
          message,
          requestId: "req\0",
          rateLimitedReason: null,
          retryAfterMs: null,
        }
      : accepted,
  );

  expect(await statesOf(db, keys)).toEqual(["delivered", "pending", "delivered"]);
  const [, odd] = keys;
  expect(odd && (await readAttempts(db, odd))).toMatchObject([
    {
      http_status: 500,
      code: "a\ufffdb",
      message: "No\ufffd such \ufffd thing",
      stripe_request_id: "req\ufffd",
    },
  ]);
});

/** Makes the database refuse, with this code, to record anything about one meter event, or only the answer's words. */
async function refuse(
  db: Db,
  key: MeterEventKey | undefined,
  { when, code = "23514" }: { when: string; code?: string },
): Promise<void> {
  await sql
    .raw(
      `create function metering.refuse() returns trigger language plpgsql as
       $$ begin raise exception 'not this one' using errcode = '${code}'; end $$`,
    )
    .execute(db);
  await sql
    .raw(
      `create trigger refuse before insert on metering.delivery_attempts for each row
       when (new.meter_event_id = '${key?.meterEventId}' and ${when}) execute function metering.refuse()`,
    )
    .execute(db);
}

test("where the database refuses one attempt of many, it is reported, and all others are settled", async ({
  desk,
  database: { db },
}) => {
  const keys = await desk.addEvents(20);
  const [, , , refused] = keys;
  await refuse(db, refused, { when: "true" });

  await desk.deliverAll(() => accepted);

  const states = await statesOf(db, keys);
  expect(states.filter((state) => state === "delivered")).toHaveLength(19);
  expect(refused && (await readMeterEvent(db, refused))).toMatchObject({
    state: "pending",
    attempts_finished: 0,
    last_error: "attempt 1 ended delivered (accepted), which the database refused to record: not this one",
  });
  expect(desk.events.filter(({ event }) => event === "settle_refused")).toMatchObject([
    { meter_event_id: refused?.meterEventId, attempt: 1, state: "delivered" },
  ]);
  expect(await desk.scrape()).toMatchObject({
    'meter_outbox_settles_refused_total{meter="temperature_readings"}': 1,
    'meter_outbox_settled_total{meter="temperature_readings",state="delivered"}': 19,
  });
});

test.for<[string, string]>([
  ["a number out of range", "22003"],
  ["a trigger's change of what is being changed", "27000"],
  ["a trigger's own error", "P0001"],
  ["a function's error", "38000"],
  ["a function called wrongly", "39000"],
  ["a violated check option of a view", "44000"],
  ["a row that is too large", "54000"],
  ["a damaged page", "XX001"],
])("what the database refuses as %s holds up no other", async ([, code], { desk, database: { db } }) => {
  const keys = await desk.addEvents(3);
  const [, refused] = keys;
  await refuse(db, refused, { when: "true", code });

  await desk.deliverAll(() => accepted);

  expect(await statesOf(db, keys)).toEqual(["delivered", "pending", "delivered"]);
  expect(desk.events.filter(({ event }) => event === "settle_refused")).toMatchObject([
    { meter_event_id: refused?.meterEventId },
  ]);
});

test("an attempt that another one has overtaken is told, and not counted as settled", async ({
  desk,
  database: { db },
}) => {
  const [, overtaken] = await desk.addEvents(2);
  const answered = await desk.answerAll(() => accepted);
  await db
    .updateTable("meter_events")
    .set({ attempts_started: 2 })
    .where("id", "=", overtaken?.meterEventId ?? "")
    .execute();

  await Promise.all(answered.map(desk.settle));

  expect(desk.events.filter(({ event }) => event === "settle_overtaken")).toMatchObject([
    { meter_event_id: overtaken?.meterEventId, attempt: 1 },
  ]);
  expect(await desk.scrape()).toMatchObject({
    'meter_outbox_settled_total{meter="temperature_readings",state="delivered"}': 1,
  });
});

test("an attempt whose words alone are refused is settled without them", async ({
  desk,
  database: { db },
}) => {
  const [key] = await desk.addEvents(1);
  await refuse(db, key, { when: "new.message like '%words%'" });

  await desk.deliverAll(() => ({ kind: "foreign", httpStatus: 502, message: "words" }));

  expect(key && (await readAttempts(db, key))).toMatchObject([
    { verdict: "unknown", http_status: 502, message: "the database refused to store what was answered" },
  ]);
});

test("whatever is thrown while sending leaves the outcome unknown, and the attempt settled", async ({
  desk,
  database: { db },
}) => {
  const keys = await desk.addEvents(2);

  await desk.deliverAll((identifier) => {
    if (identifier === keys[0]?.meterEventId) throw new TypeError("x is undefined");
    return accepted;
  });

  expect(await statesOf(db, keys)).toEqual(["pending", "delivered"]);
  const [thrown] = keys;
  expect(thrown && (await readMeterEvent(db, thrown))).toMatchObject({
    attempts_finished: 1,
    reason: "no_answer",
    first_unknown_at: expect.any(Date) as unknown,
  });
  expect(thrown && (await readDeliverJobs(db, thrown))).toMatchObject([{ state: "retry" }]);
  expect(desk.events).toContainEqual(
    expect.objectContaining({ event: "delivery_threw", meter_event_ids: [thrown?.meterEventId] }),
  );
});

test.skipIf(localOnly("each shard of a cluster settles its own answers"))(
  "answers that come within a few milliseconds share a transaction",
  async ({ desk, database: { db } }) => {
    const keys = await desk.addEvents(5);

    await desk.deliverAll(() => accepted);

    expect(await statesOf(db, keys)).toEqual(keys.map(() => "delivered"));
    const { rows } = await sql<{ transactions: number }>`
      select count(distinct delivered_at)::int as transactions from metering.meter_events
    `.execute(db);
    expect(rows).toEqual([{ transactions: 1 }]);
  },
);

test("a node that gives no answer is waited for once in a batch, and all others' attempts are settled", async ({
  desk,
  boss,
  database: { db, url },
}) => {
  const keys = await desk.addEvents(3);
  const [silent, neighbour, other] = keys;
  const finished = await desk.answerAll(() => accepted);
  let waits = 0;
  const watched = openWatched(url, (text, values) => {
    const words = JSON.stringify(values);
    const isOfNode = [silent, neighbour].some((key) => words.includes(key?.organizationId ?? "no one's"));
    if (!isOfNode || !text.includes("metering.meter_events")) return;
    waits += 1;
    throw tookTooLong();
  });
  const shards = eachOnItsShard((id) => (id === other?.organizationId ? "answers" : "silent"));
  const { log, at } = createRecordingLog();

  const left = await settleBatch({ db: watched, boss, log, watch: unwatched, shards }, finished);
  await watched.destroy();

  expect(waits).toBe(1);
  expect(left).toHaveLength(2);
  expect(await statesOf(db, keys)).toEqual(["pending", "pending", "delivered"]);
  expect(at("error")).toMatchObject([{ event: "settle_failed", count: 2 }]);
});

test("an attempt stays to be settled where a cluster lost its node's connection, which it tells as an internal error", async ({
  desk,
  boss,
  database: { db, url },
}) => {
  const keys = await desk.addEvents(1);
  const finished = await desk.answerAll(() => accepted);
  const lost = Object.assign(new pg.DatabaseError("server closed the connection unexpectedly", 0, "error"), {
    code: "XX000",
    where: "while executing command on 127.0.0.1:5433",
  });
  const watched = openWatched(url, (text) => {
    if (text.includes("metering.meter_events")) throw lost;
  });
  const { log, events } = createRecordingLog();
  const deps = { db: watched, boss, log, watch: unwatched };

  expect(await settleBatch(deps, finished)).toEqual(finished);
  await watched.destroy();

  expect(events.map(({ event }) => event)).not.toContain("settle_refused");
  expect(await statesOf(db, keys)).toEqual(["pending"]);
});

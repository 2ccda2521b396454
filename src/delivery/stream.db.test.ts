import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { startJobs } from "../worker/worker-jobs.ts";
import { sealDueEntries } from "../outbox/seal.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { workerConfig } from "../testing/processes/worker-config.ts";

const meter = "temperature_readings";
const streamPath = "/v2/billing/meter_event_stream";
const sessionPath = "/v2/billing/meter_event_session";

/**
 * Usage of several organizations, workers that deliver it through the stream, and the simulated Stripe's record of it.
 */
const test = roadTest.extend("stream", async ({ database, account, road }, { onCleanup }) => {
  const { db } = database;
  const asWorker = database.as("worker");
  const { simulator } = account;
  const { log, events } = createRecordingLog();
  const used = new Map<string, number>();

  return {
    logged: (name: string) => events.filter(({ event }) => event === name),
    startWorker: async () => {
      const config = workerConfig({ databaseUrl: asWorker.url, account });
      const worker = await startJobs({ db: asWorker.db, log }, { ...config, DELIVERY_TRANSPORT: "stream" });
      onCleanup(() => worker.stop(5_000));
    },
    /** One entry in each of the last hours, so that each is a meter event of its own. */
    use: async ({ organizations, hours }: { organizations: number; hours: number }) => {
      for (let n = 1; n <= organizations; n += 1) {
        const { id, customer } = await road.join();
        const entries = Array.from({ length: hours }, (_, hour) => ({
          at: hoursAgo(hour + 1, 1),
          quantity: n * 100 + hour,
        }));
        await appendEntries(db, id, entries);
        used.set(
          customer,
          entries.reduce((sum, { quantity }) => sum + quantity, 0),
        );
      }
    },
    /** Usage and Stripe's sum, by customer. */
    bill: () => {
      const lines = simulator.bill().filter((line) => line.event_name === meter);
      return { used, billed: new Map(lines.map(({ customer, total }) => [customer, Number(total)])) };
    },
    counted: () => simulator.meterEvents({ event_name: meter }),
    requestsTo: (path: string) => simulator.requests().by_route[`POST ${path}`] ?? 0,
  };
});

test("1,000 events of 50 organizations are billed once, in a few dozen requests of one session", async ({
  stream,
  road,
  account,
}) => {
  await stream.use({ organizations: 50, hours: 20 });

  await stream.startWorker();
  await road.untilBilled();

  const { used, billed } = stream.bill();
  expect(billed).toEqual(used);
  expect(stream.counted()).toHaveLength(1_000);
  expect(account.simulator.state()).toMatchObject({ double_counted: 0, duplicates: 0, async_errors: 0 });
  expect(stream.requestsTo(streamPath)).toBeLessThanOrEqual(60);
  expect(stream.requestsTo(sessionPath)).toBe(1);
});

test("the events of one customer fill the stream's requests", async ({
  stream,
  road,
  account,
  database: { db },
  boss,
}) => {
  await stream.use({ organizations: 1, hours: 150 });
  await sealDueEntries({ db, boss }, { meters: [meter] });

  await stream.startWorker();
  await road.untilBilled();

  const { used, billed } = stream.bill();
  expect(billed).toEqual(used);
  expect(account.simulator.state()).toMatchObject({ double_counted: 0, duplicates: 0, async_errors: 0 });
  expect(stream.requestsTo(streamPath)).toBeLessThanOrEqual(4);
});

test("a session that expires in mid-run loses nothing, doubles nothing and pauses nothing", async ({
  stream,
  road,
  account,
  database: { db },
}) => {
  // More than the rate lets go out at once.
  await stream.use({ organizations: 10, hours: 120 });
  account.simulator.addFault({ kind: "latency", ms: 30, path: streamPath });

  await stream.startWorker();
  await until(() => stream.counted().length > 10, { what: "the run to be under way" });
  account.simulator.addFault({ kind: "expired_session", times: 3 });
  await road.untilBilled();

  const { used, billed } = stream.bill();
  expect(billed).toEqual(used);
  expect(account.simulator.state()).toMatchObject({ double_counted: 0, duplicates: 0 });
  // Requests in flight together are refused together, and share the next session.
  expect(stream.requestsTo(sessionPath)).toBeGreaterThan(1);
  expect(stream.requestsTo(sessionPath)).toBeLessThanOrEqual(4);
  expect(stream.logged("delivery_paused")).toEqual([]);
  const refused = (await readAttempts(db)).filter(({ verdict }) => verdict !== "delivered");
  expect(refused.length).toBeGreaterThan(0);
  expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(["billing_meter_event_session_expired"]));
});

test("events of a request that was accepted and then cut are sent again and counted once", async ({
  stream,
  road,
  account,
  database: { db },
  boss,
}) => {
  await stream.use({ organizations: 5, hours: 1 });
  // All before the first request: a cluster seals them shard by shard.
  await sealDueEntries({ db, boss }, { meters: [meter] });
  account.simulator.addFault({ kind: "accept_then_cut", times: 1, path: streamPath, meter });

  await stream.startWorker();
  await road.untilBilled();

  const { used, billed } = stream.bill();
  expect(billed).toEqual(used);
  expect(account.simulator.state()).toMatchObject({ double_counted: 0, duplicates: 5 });
  const attempts = (await readAttempts(db)).filter((attempt) => attempt.meter === meter);
  expect(attempts.map(({ verdict }) => verdict)).toEqual([
    ...Array<string>(5).fill("unknown"),
    ...Array<string>(5).fill("delivered"),
  ]);
});

test("events that found no session were not sent, for certain, and go out with the next one", async ({
  stream,
  road,
  account,
  database: { db },
}) => {
  await stream.use({ organizations: 5, hours: 1 });
  account.simulator.addFault({ kind: "status", status: 500, times: 1, path: sessionPath });

  await stream.startWorker();
  await road.untilBilled();

  const { used, billed } = stream.bill();
  expect(billed).toEqual(used);
  expect(account.simulator.state()).toMatchObject({ double_counted: 0, duplicates: 0 });
  const refused = (await readAttempts(db)).filter(({ verdict }) => verdict !== "delivered");
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.every(({ verdict, code }) => verdict === "retry" && code === "no_session")).toBe(true);
});

test("a revoked key pauses the account: no event moves, and all go out after the key is restored", async ({
  stream,
  road,
  account,
  api,
}) => {
  await stream.use({ organizations: 5, hours: 4 });
  account.simulator.setKey(account.secretKey, "revoked");

  await stream.startWorker();
  await until(() => stream.logged("delivery_paused").length > 0, { what: "the pause" });

  const outbox = async () => (await api.ask("GET", "/v1/outbox", { token: api.adminToken })).body;
  // Asked again: a cluster may count an event as delivered that is sealed while it counts.
  await expect.poll(outbox).toMatchObject({
    paused: [{ scope: "account", reason: "unauthorized" }],
    meter_events: { delivered: { count: 0 }, rejected: { count: 0 }, in_doubt: { count: 0 } },
  });
  expect(stream.requestsTo(streamPath)).toBe(0);

  account.simulator.setKey(account.secretKey, "active");
  await api.ask("POST", "/v1/delivery/resume", { token: api.adminToken });
  await road.untilBilled();
  const { used, billed } = stream.bill();
  expect(billed).toEqual(used);
});

test("23 hours after an attempt of unknown outcome an event is in doubt and never sent, and the others are", async ({
  stream,
  database: { db },
  boss,
}) => {
  await stream.use({ organizations: 1, hours: 3 });
  await sealDueEntries({ db, boss }, { meters: [meter] });
  const [oldest] = await readStates(db);
  await sql`
    update metering.meter_events set first_unknown_at = now() - interval '23 hours' where id = ${oldest?.id}
  `.execute(db);

  await stream.startWorker();
  await until(async () => (await readStates(db)).every(({ state }) => state !== "pending"), {
    what: "every event to have moved on",
  });

  const states = await readStates(db);
  expect(states.map(({ state }) => state)).toEqual(["in_doubt", "delivered", "delivered"]);
  expect(stream.counted().map(({ identifier }) => identifier)).not.toContain(oldest?.id);
});

/** The oldest first. */
async function readStates(db: Db): Promise<{ id: string; state: string }[]> {
  return db
    .selectFrom("meter_events")
    .select(["id", "state"])
    .where("meter", "=", meter)
    .orderBy("hour")
    .execute();
}

type AttemptRow = { meter: string; verdict: string; code: string | null };

async function readAttempts(db: Db): Promise<AttemptRow[]> {
  return db
    .selectFrom("delivery_attempts as a")
    .innerJoin("meter_events as e", (join) =>
      join.onRef("e.organization_id", "=", "a.organization_id").onRef("e.id", "=", "a.meter_event_id"),
    )
    .select(["e.meter", "a.verdict", "a.code"])
    .orderBy("a.attempt")
    .execute();
}

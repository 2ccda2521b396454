import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import { expect, inject } from "vitest";
import type { Db } from "../database/db.ts";
import { remindToDeliver } from "../queue/deliver-job.ts";
import { createStripeClock } from "../stripe/stripe-clock.ts";
import { leaseSeconds } from "../testing/processes/delivery-loops.ts";
import { holdRequests } from "../testing/net/request-gate.ts";
import { hourMs } from "../testing/rows/hours.ts";
import { addDueEvent, readDeliverJobs, readMeterEvent } from "../testing/rows/meter-events.ts";
import { json, serve } from "../testing/net/raw-server.ts";
import { loopsTest } from "../testing/fixtures/loops-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { countInFlight } from "./in-flight.ts";
import { attemptsPerSlot } from "./limits.ts";
import { readPauses, resumeDelivery } from "./pauses.ts";

const isCluster = inject("testServer").cluster !== undefined;
const readings = "temperature_readings";
const sensors = "active_sensors";
const path = "/v1/billing/meter_events";
/** Of a meter that had nothing. */
const restMs = 500;
/** Sooner than a probe that was not made could be claimed again. */
const belowLeaseMs = (leaseSeconds - 2) * 1_000;

const test = loopsTest.extend("customers", async ({ account: { simulator }, database: { db }, boss }) => {
  let joined = 0;
  return {
    /** Writes one event of a new customer, with its job. */
    addOne: async (change: Parameters<typeof addDueEvent>[1] = {}) => {
      const customer = `cus_${(joined += 1)}`;
      simulator.addCustomers(customer);
      return {
        customer,
        ...(await addDueEvent({ db, boss }, { stripe_customer_id: customer, ...change })),
      };
    },
    /** Writes `count` events of a new customer, with jobs as the seal makes them. */
    addMany: async (count: number) => {
      const customer = `cus_${(joined += 1)}`;
      simulator.addCustomers(customer);
      await addBacklog({ db, boss }, { customer, count });
      return customer;
    },
  };
});

async function addBacklog(
  { db, boss }: { db: Db; boss: PgBoss },
  { customer, count }: { customer: string; count: number },
): Promise<void> {
  const first = await addDueEvent({ db, boss }, { stripe_customer_id: customer });
  const { rows } = await sql<{ organizationId: string; meterEventId: string; ahead: number }>`
    with added as (
      insert into metering.meter_events
        (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id)
      select
        ${first.organizationId}, metering.uuid_v7(clock_timestamp()), ${readings}, date_trunc('hour', at, 'UTC'), 1,
        at, 1, ${customer}
      from generate_series(1, ${count - 1}) i, lateral (select now() - i * interval '1 minute' as at) t
      returning organization_id, id
    )
    select
      organization_id as "organizationId", id as "meterEventId", (row_number() over (order by id))::int as ahead
    from added
  `.execute(db);
  await remindToDeliver(
    boss,
    rows.map((row) => ({ ...row, meter: readings, stripeCustomerId: customer })),
  );
}

test("an attempt is counted, and no transaction open, while its request is under way", async ({
  loops,
  customers,
  database: { db },
}) => {
  const event = await customers.addOne();
  const seen: unknown[] = [];
  const look = async () => {
    const { state, attempts_started: started, attempts_finished: finished } = await readMeterEvent(db, event);
    seen.push({ state, started, finished });
    // pg-boss's housekeeping ends by itself; a transaction around the request would stay open.
    await until(() => isNoTransactionOpen(db), { what: "no transaction to be open", withinMs: 20_000 });
  };
  const stripe = await serve((response) => {
    void look()
      .catch((error: unknown) => seen.push(error))
      .finally(() => json(200, { object: "billing.meter_event", identifier: event.meterEventId })(response));
  });

  loops.start({ url: stripe.url, secretKey: "sk_test_loop" }, { timeoutMs: 60_000 });
  await loops.untilDelivered();

  expect(seen).toEqual([{ state: "pending", started: 1, finished: 0 }]);
});

async function isNoTransactionOpen(db: Db): Promise<boolean> {
  const open = await sql`
    select from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
      and (state like 'idle in transaction%' or backend_xid is not null)
  `.execute(db);
  return open.rows.length === 0;
}

test("no event is held back for a clock of ours that is behind, before Stripe's is known", async ({
  loops,
  customers,
  account,
}) => {
  await customers.addOne({ event_at: new Date() });

  loops.start(account, { stripeNowMs: createStripeClock(() => Date.now() - hourMs).knownMs });

  await loops.untilDelivered();
});

test("the first requests after an idle time do not wait until others have begun that have no slot yet", async ({
  loops,
  customers,
  account,
}) => {
  for (let n = 0; n < 6; n += 1) await customers.addOne();

  loops.start(account, { concurrency: 2 });
  await loops.untilDelivered();

  const begun = loops.events.filter(({ event }) => event === "attempts_begun");
  expect(begun[0]).toMatchObject({ count: 2 });
});

test("a meter that has nothing is asked now and then, and not at each turn of another's backlog", async ({
  loops,
  customers,
  account,
}) => {
  for (let i = 0; i < 60; i += 1) await customers.addOne();
  const startedAtMs = performance.now();

  loops.start(account, { concurrency: 1 });
  await loops.untilDelivered();

  const rests = (performance.now() - startedAtMs) / restMs;
  expect(loops.roundsOf(readings)).toBeGreaterThanOrEqual(60 / attemptsPerSlot);
  expect(loops.roundsOf(sensors)).toBeLessThanOrEqual(Math.ceil(rests) + 1);
});

test("a loop that waits takes a new event as soon as it is woken", async ({ loops, customers, account }) => {
  await customers.addOne();
  const loop = loops.start(account, { idleMs: hourMs });
  await loops.untilDelivered();

  await customers.addOne();
  loop.wake([{ meter: readings }]);
  await loops.untilDelivered();

  expect(account.simulator.state()).toMatchObject({ counted: 2, double_counted: 0 });
});

test("a revoked key costs at most the requests in flight, and nothing is lost by it", async ({
  loops,
  customers,
  account,
  database: { db },
}) => {
  for (let i = 0; i < 30; i += 1) await customers.addOne();
  account.simulator.setKey(account.secretKey, "revoked");
  account.simulator.addFault({ kind: "latency", ms: 50, path });
  const before = account.simulator.requests().total;

  loops.start(account, { concurrency: 5 });
  await until(async () => (await readPauses(db)).length > 0, { what: "the pause" });
  await loops.someRounds();
  await loops.untilSettled();

  expect(account.simulator.requests().total - before).toBeLessThanOrEqual(5);
  expect(new Set(await loops.statesOf())).toEqual(new Set(["pending"]));
  expect(await readPauses(db)).toMatchObject([{ scope: "account", reason: "unauthorized" }]);

  account.simulator.setKey(account.secretKey, "active");
  await resumeDelivery(db);
  await loops.untilDelivered();
  expect(account.simulator.state()).toMatchObject({ counted: 30, double_counted: 0 });
});

test("a restored key is found by a probe, whichever meter has something to send", async ({
  loops,
  customers,
  account,
  database: { db },
}) => {
  await customers.addOne({ meter: sensors });
  account.simulator.setKey(account.secretKey, "forbidden");
  loops.start(account);
  await until(async () => (await readPauses(db)).length > 0, { what: "the pause" });

  account.simulator.setKey(account.secretKey, "active");
  await sql`update metering.delivery_control set paused_until = now() where paused_until is not null`.execute(
    db,
  );
  await loops.untilDelivered(belowLeaseMs);

  expect(await readPauses(db)).toEqual([]);
  expect(account.simulator.state().counted).toBe(1);
});

test("an inactive meter holds up its own events alone", async ({
  loops,
  customers,
  account,
  database: { db },
}) => {
  for (let i = 0; i < 5; i += 1) {
    await customers.addOne({ meter: sensors });
    await customers.addOne();
  }
  const meterId = account.meterIds.active_sensors;
  await account.stripe.billing.meters.deactivate(meterId);

  loops.start(account, { concurrency: 2 });
  await until(async () => (await loops.statesOf()).every((state) => state === "delivered"), {
    what: "the readings",
  });
  await loops.untilSettled();

  expect(await loops.statesOf(sensors)).toEqual(Array.from({ length: 5 }, () => "pending"));
  expect(await readPauses(db)).toMatchObject([{ scope: sensors, reason: "meter_unavailable" }]);

  await account.stripe.billing.meters.reactivate(meterId);
  await sql`update metering.delivery_control set paused_until = now() where paused_until is not null`.execute(
    db,
  );
  await loops.untilDelivered(belowLeaseMs);
  expect(account.simulator.state()).toMatchObject({ counted: 10, double_counted: 0 });
});

test("2,000 waiting events of one organization let another's single event through", async ({
  loops,
  customers,
  account,
}) => {
  await customers.addMany(2_000);
  loops.start(account);
  await until(() => account.simulator.state().counted >= 5, { what: "the first of them" });

  const { meterEventId } = await customers.addOne();
  const before = account.simulator.requests().total;
  await until(() => account.simulator.meterEvents({ identifier: meterEventId }).length > 0, {
    what: "the single one",
  });

  const { recent, total } = account.simulator.requests();
  const position =
    total - recent.length + recent.findIndex(({ identifiers }) => identifiers.includes(meterEventId));
  // Meanwhile the loop's idle time bounds its requests: one customer has one request in flight.
  expect(position - before).toBeLessThanOrEqual(5);
});

test("a new organization's event goes before everybody's second, one request at a time", async ({
  loops,
  customers,
  account,
}) => {
  for (let i = 0; i < 10; i += 1) await customers.addMany(50);
  account.simulator.addFault({ kind: "latency", ms: 10, path });
  const firsts = account.simulator.requests().total + 10;
  loops.start(account, { concurrency: 1 });
  await until(() => account.simulator.requests().total >= firsts, { what: "everybody's first event" });

  const { meterEventId } = await customers.addOne();
  const before = account.simulator.requests().total;
  await until(() => account.simulator.meterEvents({ identifier: meterEventId }).length > 0, {
    what: "the new one",
  });

  const { recent, total } = account.simulator.requests();
  const position =
    total - recent.length + recent.findIndex(({ identifiers }) => identifiers.includes(meterEventId));
  // The attempts that had begun before it, and those that began while it was written. A cluster takes longer to write it; the
  // second events are ten requests.
  const begunMeanwhile = isCluster ? attemptsPerSlot : 1;
  expect(position - before).toBeLessThanOrEqual(attemptsPerSlot + begunMeanwhile);
});

test("a customer's events go one by one, and without a pause between them", async ({
  loops,
  customers,
  account,
}) => {
  for (let i = 0; i < 3; i += 1) await customers.addMany(30);
  account.simulator.addFault({ kind: "latency", ms: 5, path });

  loops.start(account);
  // With the loop's idle time of half a second before each of a customer's 30 it would be 15 seconds.
  await loops.untilDelivered(14_000);

  const { max_in_flight: maxInFlight, conflicting_identifiers: conflicts } = account.simulator.requests();
  expect(maxInFlight.map(({ max }) => max)).toEqual([1, 1, 1]);
  expect(conflicts).toEqual([]);
  expect(account.simulator.state()).toMatchObject({
    counted: 90,
    double_counted: 0,
    parallel_refused: 0,
    duplicates: 0,
  });
});

test("two workers deliver everything once", async ({ loops, customers, account }) => {
  for (let i = 0; i < 5; i += 1) await customers.addMany(10);
  account.simulator.addFault({ kind: "accept_then_500", times: 3 });
  account.simulator.addFault({ kind: "status", status: 409, times: 3 });

  loops.start(account);
  loops.start(account);
  await loops.untilDelivered();

  expect(account.simulator.state()).toMatchObject({ counted: 50, double_counted: 0 });
});

test("a stopped loop takes nothing more, and what is under way is settled", async ({
  loops,
  customers,
  account,
  database: { db },
}) => {
  for (let i = 0; i < 8; i += 1) await customers.addOne();
  const way = await holdRequests(account.url, path);
  const loop = loops.start({ ...account, url: way.url }, { concurrency: 3, timeoutMs: 60_000 });
  await until(() => way.held() === 3, { what: "as many requests as may be" });
  await expect.poll(() => countInFlight(db)).toBe(8);

  const stopped = loop.stop(30_000);
  way.open();
  await stopped;

  expect((await loops.statesOf()).toSorted()).toEqual([
    ...Array(3).fill("delivered"),
    ...Array(5).fill("pending"),
  ]);
  expect(account.simulator.state().counted).toBe(3);
  expect((await readDeliverJobs(db)).map(({ state }) => state)).toEqual(Array(5).fill("created"));
  const attempts = await db.selectFrom("delivery_attempts").select(["code", "verdict"]).execute();
  expect(attempts.filter(({ code }) => code === "held_back")).toEqual(
    [1, 2, 3, 4, 5].map(() => ({ code: "held_back", verdict: "retry" })),
  );
});

test("what is held back at a stop is free for the next worker at once", async ({
  loops,
  customers,
  account,
  database: { db },
}) => {
  for (let i = 0; i < 6; i += 1) await customers.addOne();
  const way = await holdRequests(account.url, path);
  const first = loops.start({ ...account, url: way.url }, { concurrency: 3, timeoutMs: 60_000 });
  await until(() => way.held() === 3, { what: "as many requests as may be" });
  await expect.poll(() => countInFlight(db)).toBe(6);
  const stopped = first.stop(30_000);
  way.open();
  await stopped;
  const pending = db.selectFrom("meter_events").select("first_unknown_at").where("state", "=", "pending");
  expect(await pending.execute()).toEqual([1, 2, 3].map(() => ({ first_unknown_at: null })));

  loops.start(account, { concurrency: 3 });
  await expect.poll(() => loops.statesOf()).toEqual(Array(6).fill("delivered"));
  expect(account.simulator.state()).toMatchObject({ counted: 6, double_counted: 0 });
});

test("a loop without work stops at once", async ({ loops, account }) => {
  const stopsMs: number[] = [];
  for (let stops = 0; stops < 3; stops += 1) {
    const loop = loops.start(account);
    await loops.someRounds();
    const startedAtMs = performance.now();
    await loop.stop(10_000);
    stopsMs.push(performance.now() - startedAtMs);
  }

  // The machine may stand still for a moment; the loop's idle time would be in each of them.
  expect(Math.min(...stopsMs)).toBeLessThan(400);
});

test("a request that does not end is waited for no longer than the grace", async ({
  loops,
  customers,
  account,
}) => {
  await customers.addOne();
  const way = await holdRequests(account.url, path);
  const loop = loops.start({ ...account, url: way.url }, { timeoutMs: 60_000 });
  await until(() => way.held() === 1, { what: "the request" });

  await loop.stop(300);

  expect(way.held()).toBe(1);
  way.open();
});

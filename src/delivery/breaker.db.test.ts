import { type KyselyPlugin, sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { addMeterEvent } from "../testing/rows/meter-events.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { meterNames } from "../usage/meters.ts";
import { createBreaker, type Permit } from "./breaker.ts";
import { account, pauseDelivery, readPauses, resumeDelivery } from "./pauses.ts";
import type { RetryReason, Verdict } from "./verdict.ts";

const readings = "temperature_readings";
const sensors = "active_sensors";
const leaseSeconds = 45;

const retry = (reason: RetryReason): Verdict => ({ kind: "retry", reason, retryAfterMs: null });
const delivered: Verdict = { kind: "delivered", isDuplicate: false };
const serverError: Verdict = { kind: "unknown", reason: "server_error" };
const wrongKey = retry("unauthorized");
const noMeter = retry("meter_unavailable");
const ofReadings = { meter: readings, probedScope: undefined };
const probeOfAccount = { meter: readings, probedScope: account };
const probeOfMeter = { meter: readings, probedScope: readings };
const probe = (scope: string): Permit => ({ kind: "probe", scope });
const free: Permit = { kind: "free" };
const paused: Permit = { kind: "paused" };

function createWorkers(db: Db) {
  const { log, events } = createRecordingLog();
  const hire = () => createBreaker({ db, log }, { leaseSeconds });

  /** The pause of a scope: why, for how many seconds from its latest change, and since when. */
  async function pauseOf(scope: string) {
    const found = (await readPauses(db)).find((one) => one.scope === scope);
    if (found === undefined) return undefined;
    const { reason, until, pausedAt } = found;
    return { reason, seconds: until === null ? null : await secondsOf(scope), since: pausedAt };
  }
  async function secondsOf(scope: string): Promise<number | undefined> {
    const { rows } = await sql<{ seconds: number }>`
      select extract(epoch from paused_until - changed_at)::float8 as seconds
      from metering.delivery_control where scope = ${scope}
    `.execute(db);
    return rows[0]?.seconds;
  }
  return {
    events,
    /** Another worker process's side of the breaker. */
    hire,
    pauseOf,
    /** Lets the time of every breaker's pause be over. */
    passTime: () =>
      sql`
        update metering.delivery_control set paused_until = now() - interval '1 second' where paused_until < 'infinity'
      `.execute(db),
    /** Fails so often in a row that the account is paused. */
    failInRow: async (worker = hire()) => {
      for (let i = 0; i < 10; i += 1) await worker.observe(serverError, ofReadings);
    },
  };
}

const test = databaseTest.extend("workers", async ({ database: { db } }) => {
  await noteChanges(db);
  return createWorkers(db);
});

/** Has the database note when a pause was changed, so that its length is read without a look at the clock. */
async function noteChanges(db: Db): Promise<void> {
  await sql`alter table metering.delivery_control add column changed_at timestamptz`.execute(db);
  await sql`
    create function metering.note_change() returns trigger language plpgsql as $$
      begin
        new.changed_at := now();
        return new;
      end
    $$
  `.execute(db);
  await sql`
    create trigger note_change before insert or update on metering.delivery_control
    for each row execute function metering.note_change()
  `.execute(db);
}

test("while nothing is paused, everything is free", async ({ workers }) => {
  const worker = workers.hire();

  expect(await worker.openMeters()).toEqual(meterNames);
  expect(await worker.permitFor(readings)).toEqual(free);
  expect(await workers.pauseOf(account)).toBeUndefined();
});

test.for(["unauthorized", "forbidden"] as const)(
  "a refusal as %s pauses the account at once, for every worker and meter",
  async (reason, { workers }) => {
    const worker = workers.hire();
    expect(await worker.permitFor(readings)).toEqual(free);

    await worker.observe(retry(reason), ofReadings);

    for (const one of [worker, workers.hire()]) {
      expect(await one.openMeters()).toEqual([]);
      expect(await one.permitFor(readings)).toEqual(paused);
      expect(await one.permitFor(sensors)).toEqual(paused);
    }
    expect(await workers.pauseOf(account)).toMatchObject({ reason, seconds: 60 });
  },
);

test("the refusals of all requests under way make one pause", async ({ workers, database: { db } }) => {
  const hired = Array.from({ length: 4 }, () => workers.hire());

  const refused = [...hired, ...hired, ...hired].map((worker) => worker.observe(wrongKey, ofReadings));
  await Promise.all(refused);

  expect(workers.events.filter(({ event }) => event === "delivery_paused")).toHaveLength(1);
  const control = await db.selectFrom("delivery_control").selectAll().where("scope", "=", account).execute();
  expect(control).toMatchObject([{ openings: 1 }]);
});

test("when a pause's time is over, one of all workers may probe, and the next only after its lease", async ({
  workers,
}) => {
  await workers.hire().observe(wrongKey, ofReadings);
  await workers.passTime();

  const hired = Array.from({ length: 6 }, () => workers.hire());
  // All of them know that the time is over before any of them asks.
  await Promise.all(hired.map((worker) => worker.openMeters()));
  const permits = await Promise.all(hired.map((worker) => worker.permitFor(readings)));

  expect(permits.filter(({ kind }) => kind === "probe")).toEqual([probe(account)]);
  expect(permits.filter(({ kind }) => kind === "paused")).toHaveLength(5);
  expect(await workers.pauseOf(account)).toMatchObject({ reason: "unauthorized", seconds: leaseSeconds });
});

test("a refused key is probed once a minute, and stays paused since the first refusal", async ({
  workers,
}) => {
  const worker = workers.hire();
  await worker.observe(wrongKey, ofReadings);
  const first = await workers.pauseOf(account);

  for (let probes = 0; probes < 4; probes += 1) {
    await workers.passTime();
    expect(await workers.hire().permitFor(sensors)).toEqual(probe(account));
    await worker.observe(wrongKey, probeOfAccount);
    expect(await workers.pauseOf(account)).toEqual(first);
  }
});

test.for([delivered, { kind: "rejected", reason: "refused_by_stripe" } as const, retry("conflict")])(
  "a probe that ends as %o shows Stripe at work and ends the pause",
  async (verdict, { workers }) => {
    const worker = workers.hire();
    await worker.observe(wrongKey, ofReadings);
    await workers.passTime();
    await worker.permitFor(readings);

    await worker.observe(verdict, probeOfAccount);

    expect(workers.events).toContainEqual({ event: "delivery_resumed", scope: account });
    expect(await worker.permitFor(readings)).toEqual(free);
    expect(await workers.hire().openMeters()).toEqual(meterNames);
    expect(await workers.pauseOf(account)).toBeUndefined();
  },
);

test("a probe that is rate limited tells nothing: the pause goes on, and the next probe need not wait", async ({
  workers,
}) => {
  const worker = workers.hire();
  await worker.observe(wrongKey, ofReadings);
  await workers.passTime();
  await worker.permitFor(readings);

  await worker.observe(retry("rate_limited"), probeOfAccount);

  expect(await workers.pauseOf(account)).toMatchObject({ reason: "unauthorized", seconds: 0 });
  expect(await workers.hire().permitFor(readings)).toEqual(probe(account));
});

test("nine failures in a row pause nothing, the tenth pauses the account", async ({ workers }) => {
  const worker = workers.hire();
  for (let i = 0; i < 9; i += 1) await worker.observe(serverError, ofReadings);
  expect(await workers.pauseOf(account)).toBeUndefined();

  await worker.observe(retry("not_connected"), ofReadings);

  expect(await workers.pauseOf(account)).toMatchObject({ reason: "stripe_unavailable", seconds: 5 });
});

test("one answer that shows Stripe at work begins the count anew", async ({ workers }) => {
  const worker = workers.hire();
  for (let i = 0; i < 30; i += 1) {
    await worker.observe(i % 9 === 8 ? delivered : serverError, ofReadings);
  }

  expect(await workers.pauseOf(account)).toBeUndefined();
});

test("while Stripe stays away the pauses double, up to five minutes", async ({ workers }) => {
  const worker = workers.hire();
  await workers.failInRow(worker);

  const seconds = [(await workers.pauseOf(account))?.seconds];
  for (let probes = 0; probes < 8; probes += 1) {
    await workers.passTime();
    await worker.observe(serverError, probeOfAccount);
    seconds.push((await workers.pauseOf(account))?.seconds);
  }

  expect(seconds).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
});

test("one failed probe is enough for another pause, whichever worker made it", async ({ workers }) => {
  await workers.failInRow();
  await workers.passTime();

  await workers.hire().observe(serverError, probeOfAccount);

  expect(await workers.pauseOf(account)).toMatchObject({ seconds: 10 });
});

test("failures of requests that were under way change nothing about a running pause", async ({ workers }) => {
  const worker = workers.hire();
  await workers.failInRow(worker);
  await worker.observe(serverError, ofReadings);
  await worker.observe(delivered, ofReadings);

  expect(await workers.pauseOf(account)).toMatchObject({ seconds: 5 });
});

test("a missing or inactive meter pauses that meter alone, for growing times", async ({ workers }) => {
  const worker = workers.hire();
  await worker.observe(noMeter, ofReadings);
  expect(await worker.openMeters()).toEqual([sensors]);
  expect(await worker.permitFor(readings)).toEqual(paused);
  expect(await worker.permitFor(sensors)).toEqual(free);
  expect(await workers.pauseOf(account)).toBeUndefined();

  const seconds = [(await workers.pauseOf(readings))?.seconds];
  for (let probes = 0; probes < 5; probes += 1) {
    await workers.passTime();
    expect(await workers.hire().permitFor(readings)).toEqual(probe(readings));
    await worker.observe(noMeter, probeOfMeter);
    seconds.push((await workers.pauseOf(readings))?.seconds);
  }

  expect(seconds).toEqual([30, 60, 120, 240, 300, 300]);
});

test("a meter's probe that gets through ends its pause", async ({ workers }) => {
  const worker = workers.hire();
  await worker.observe(noMeter, ofReadings);
  await workers.passTime();
  await worker.permitFor(readings);

  await worker.observe(delivered, probeOfMeter);

  expect(await worker.permitFor(readings)).toEqual(free);
});

test("a meter's probe that meets a failure neither ends its pause nor pauses the account", async ({
  workers,
}) => {
  const worker = workers.hire();
  await worker.observe(noMeter, ofReadings);
  await workers.passTime();
  await worker.permitFor(readings);

  await worker.observe(serverError, probeOfMeter);

  expect(await workers.pauseOf(account)).toBeUndefined();
  expect(await workers.pauseOf(readings)).toMatchObject({
    reason: "meter_unavailable",
    seconds: leaseSeconds,
  });
});

test("a probe of the account that finds its meter missing opens the account and pauses the meter", async ({
  workers,
}) => {
  const worker = workers.hire();
  await worker.observe(wrongKey, ofReadings);
  await workers.passTime();
  await worker.permitFor(readings);

  await worker.observe(noMeter, probeOfAccount);

  expect(await workers.hire().openMeters()).toEqual([sensors]);
});

test("an operator's pause is neither probed, nor ended by a success, nor overwritten", async ({
  workers,
  database: { db },
}) => {
  await pauseDelivery(db, "maintenance");
  const pause = await workers.pauseOf(account);
  expect(pause).toMatchObject({ reason: "maintenance", seconds: null });

  const worker = workers.hire();
  expect(await worker.permitFor(readings)).toEqual(paused);
  await worker.observe(delivered, probeOfAccount);
  await worker.observe(wrongKey, ofReadings);
  await worker.observe(wrongKey, probeOfAccount);
  await workers.failInRow(worker);
  await worker.giveBackProbe(account);

  expect(await workers.pauseOf(account)).toEqual(pause);
});

test("an operator's pause takes the place of the breaker's", async ({ workers, database: { db } }) => {
  await workers.failInRow();

  await pauseDelivery(db, "maintenance");

  expect(await workers.pauseOf(account)).toMatchObject({ reason: "maintenance", seconds: null });
});

test("resuming ends every pause, and the next one is short again", async ({ workers, database: { db } }) => {
  const worker = workers.hire();
  await worker.observe(noMeter, ofReadings);
  await workers.failInRow(worker);
  await worker.observe(serverError, probeOfAccount);

  await resumeDelivery(db);

  expect(await readPauses(db)).toEqual([]);
  expect(await workers.hire().openMeters()).toEqual(meterNames);
  await workers.failInRow();
  expect(await workers.pauseOf(account)).toMatchObject({ seconds: 5 });
});

test("a probe that nobody could make is there for the next", async ({ workers }) => {
  await workers.hire().observe(wrongKey, ofReadings);
  await workers.passTime();
  const worker = workers.hire();
  expect(await worker.permitFor(readings)).toEqual(probe(account));

  await worker.giveBackProbe(account);

  expect(await worker.permitFor(sensors)).toEqual(probe(account));
});

test("a pause that nothing waiting could end lets new usage be sealed once its time is over", async ({
  workers,
  database: { db },
}) => {
  await workers.hire().observe(wrongKey, ofReadings);
  expect(await workers.hire().openMeters()).toEqual([]);

  await workers.passTime();
  expect(await workers.hire().openMeters()).toEqual(meterNames);

  await addMeterEvent(db);
  expect(await workers.hire().openMeters()).toEqual([]);
});

test("a meter's pause that nothing waiting could end lets that meter be sealed", async ({
  workers,
  database: { db },
}) => {
  await workers.hire().observe(noMeter, ofReadings);
  await workers.passTime();
  await addMeterEvent(db, { meter: sensors });
  expect(await workers.hire().openMeters()).toEqual(meterNames);

  await addMeterEvent(db, { meter: readings });
  expect(await workers.hire().openMeters()).toEqual([sensors]);
});

test("a pause that is made while the pauses are being read counts at once", async ({
  workers,
  database: { db },
}) => {
  let deliverAnswer = () => {};
  let answers = 0;
  const slowFirstAnswer: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      answers += 1;
      if (answers === 1) await new Promise<void>((resolve) => (deliverAnswer = resolve));
      return result;
    },
  };
  const worker = createBreaker(
    { db: db.withPlugin(slowFirstAnswer), log: createRecordingLog().log },
    { leaseSeconds },
  );
  const asking = worker.permitFor(readings);
  await expect.poll(() => answers).toBe(1);

  await worker.observe(wrongKey, ofReadings);
  deliverAnswer();

  expect(await asking).toEqual(paused);
  expect(await worker.permitFor(readings)).toEqual(paused);
  expect(await workers.pauseOf(account)).toMatchObject({ reason: "unauthorized" });
});

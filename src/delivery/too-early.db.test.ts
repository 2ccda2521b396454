import { expect } from "vitest";
import { createStripe } from "../stripe/client.ts";
import { createStreamTransport } from "../stripe/stream-transport.ts";
import { createStripeClock } from "../stripe/stripe-clock.ts";
import { createSyncTransport, type MeterEventRequest } from "../stripe/sync-transport.ts";
import {
  addDueEvent,
  minuteMs,
  readAttempts,
  readDeliverJobs,
  readMeterEvent,
} from "../testing/rows/meter-events.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { eventAheadMsMax } from "./limits.ts";
import { resumeDelivery } from "./pauses.ts";
import { takeJobs } from "./take-jobs.ts";
import { verdictOf } from "./verdict.ts";

const meter = "temperature_readings";
const tooEarly = { kind: "retry", reason: "too_early", retryAfterMs: null };

test("usage ahead of Stripe's clock waits until Stripe takes it, and is then billed once", async ({
  database: { db },
  boss,
  account,
  road,
}) => {
  // As if the database's clock were ten minutes ahead.
  account.simulator.setClock({ advance_seconds: -600 });
  const { id, customer } = await road.join();
  const event = { organization_id: id, stripe_customer_id: customer, event_at: new Date() };
  const key = await addDueEvent({ db, boss }, event);
  const { id: otherId, customer: otherCustomer } = await road.join();
  const timely = { organization_id: otherId, stripe_customer_id: otherCustomer };
  const old = await addDueEvent({ db, boss }, { ...timely, event_at: new Date(Date.now() - 20 * minuteMs) });

  await road.startWorker();
  const stateOf = async (one: typeof key) => (await readMeterEvent(db, one)).state;
  await until(async () => (await stateOf(old)) === "delivered", { what: "the timely one" });
  await until(async () => (await readMeterEvent(db, key)).reason === "too_early", {
    what: "the early one to wait",
  });
  expect(await stateOf(key)).toBe("pending");
  // At most the first was sent, before Stripe's clock was known; its answer was no verdict.
  expect((await readAttempts(db, key)).map(({ verdict }) => verdict)).not.toContain("rejected");

  account.simulator.setClock({ advance_seconds: 600 });
  // The worker learns of it with the next answer; an operator need not wait for that.
  await addDueEvent({ db, boss }, { ...timely, event_at: new Date(Date.now() - 19 * minuteMs) });
  await until(
    async () => {
      await resumeDelivery(db);
      return (await stateOf(key)) === "delivered";
    },
    { what: "the early one" },
  );
  expect(account.simulator.meterEvents({ identifier: key.meterEventId })).toMatchObject([
    { times_counted: 1 },
  ]);
});

test("an event that would be refused as of the future is not begun, and reminded of when it is not", async ({
  database: { db },
  boss,
}) => {
  const { log, events } = createRecordingLog();
  const eventAt = new Date();
  const key = await addDueEvent({ db, boss }, { event_at: eventAt });
  const sendableUntil = new Date(eventAt.getTime() - 30_000);

  const { taken } = await takeJobs({ db, boss, log }, meter, { room: 10, leaseSeconds: 45, sendableUntil });

  expect(taken).toEqual([]);
  expect(await readMeterEvent(db, key)).toMatchObject({
    state: "pending",
    reason: "too_early",
    attempts_started: 0,
  });
  const [job] = await readDeliverJobs(db, key);
  expect(job?.dueInMs).toBeGreaterThan(20_000);
  expect(job?.dueInMs).toBeLessThanOrEqual(31_000);
  expect(events).toContainEqual(expect.objectContaining({ event: "usage_ahead_of_stripe", count: 1 }));
});

test("however far an event seems to be ahead, the clock is asked again within a minute", async ({
  database: { db },
  boss,
}) => {
  const { log } = createRecordingLog();
  const key = await addDueEvent({ db, boss }, { event_at: new Date() });
  const sendableUntil = new Date("2015-01-01");

  await takeJobs({ db, boss, log }, meter, { room: 10, leaseSeconds: 45, sendableUntil });

  const [job] = await readDeliverJobs(db, key);
  expect(job?.dueInMs).toBeLessThanOrEqual(60_000);
});

for (const way of ["sync", "stream"] as const) {
  test(`usage ahead of Stripe's clock is no verdict over ${way}, before anything is known of that clock`, async ({
    account,
  }) => {
    account.simulator.setClock({ advance_seconds: -600 });
    const clock = createStripeClock(Date.now);
    const options = { apiKey: account.secretKey, apiBase: account.url, timeoutMs: 15_000, clock };
    const transport =
      way === "sync"
        ? createSyncTransport(options)
        : createStreamTransport(createStripe(options), Date.now, clock);
    const request: MeterEventRequest = {
      eventName: "temperature_readings",
      customerId: "cus_1",
      value: "1",
      identifier: "id-1",
      timestamp: Math.floor(Date.now() / 1_000),
      attempt: 1,
    };

    expect(verdictOf(await transport.send([request]))).toEqual(tooEarly);
    expect(account.simulator.meterEvents()).toEqual([]);
    const aheadMs = Date.now() - clock.nowMs();
    expect(aheadMs).toBeGreaterThan(600_000 - 5_000);
    expect(aheadMs).toBeLessThan(600_000 + 60_000);
    expect(eventAheadMsMax).toBeLessThan(5 * minuteMs);
  });
}

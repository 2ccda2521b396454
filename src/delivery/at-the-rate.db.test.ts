import { expect } from "vitest";
import { sealDueEntries } from "../outbox/seal.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { meterNames } from "../usage/meters.ts";

/** More is due than STRIPE_MAX_EVENTS_PER_SECOND lets go out at once. */
const test = roadTest.extend("backlog", async ({ database: { db }, road, boss, account: { simulator } }) => ({
  /** Sealed: an event of each meter for each of so many new customers. */
  add: async (customers: number) => {
    for (let n = 0; n < customers; n += 1) {
      const { id } = await road.join();
      const entries = meterNames.map((meter) => ({ at: hoursAgo(1, 1), quantity: 1, meter }));
      await appendEntries(db, id, entries);
    }
    await sealDueEntries({ db, boss }, { meters: meterNames });
  },
  /** Events of one customer in its hours, each with a reminder of its own. */
  addAlone: async (hours: number) => {
    const { id } = await road.join();
    await appendEntries(
      db,
      id,
      Array.from({ length: hours }, (_, hour) => ({ at: hoursAgo(hour + 1, 1), quantity: 1 })),
    );
    await sealDueEntries({ db, boss }, { meters: ["temperature_readings"] });
  },
  counted: (meter: string) => simulator.meterEvents({ event_name: meter }).length,
}));

test("the stream's requests stay full at a rate of two hundred events a second", async ({
  backlog,
  road,
  account: { simulator },
}) => {
  await backlog.add(200);

  await road.startWorker({ DELIVERY_TRANSPORT: "stream", STRIPE_MAX_EVENTS_PER_SECOND: "200" });
  await road.untilBilled();

  expect(meterNames.map(backlog.counted)).toEqual([200, 200]);
  // A quarter of a second's events may go at once, and half of these are waited for.
  expect(simulator.requests().by_route["POST /v2/billing/meter_event_stream"]).toBeLessThanOrEqual(
    2 * (400 / 25),
  );
});

test("single requests begin several at a time at a rate of two hundred events a second", async ({
  backlog,
  road,
}) => {
  await backlog.add(200);

  await road.startWorker({ STRIPE_MAX_EVENTS_PER_SECOND: "200" });
  await road.untilBilled();

  expect(meterNames.map(backlog.counted)).toEqual([200, 200]);
  const begins = road.events.filter(({ event, count }) => event === "attempts_begun" && Number(count) > 0);
  expect(begins.length).toBeLessThanOrEqual(2 * (400 / 25));
});

test("no meter waits until the other one's backlog is delivered", async ({ backlog, road }) => {
  await backlog.add(100);

  await road.startWorker({ STRIPE_MAX_EVENTS_PER_SECOND: "40" });

  await until(() => meterNames.every((meter) => backlog.counted(meter) >= 20), {
    what: "events of both meters to be delivered",
  });
  expect(meterNames.filter((meter) => backlog.counted(meter) === 100)).toEqual([]);
});

test.for(["sync", "stream"])(
  "no shipment waits until one customer's events that have reminders of their own are delivered: %s",
  async (transport, { backlog, road, account: { simulator } }) => {
    await backlog.addAlone(200);
    await backlog.add(20);

    await road.startWorker({ DELIVERY_TRANSPORT: transport, STRIPE_MAX_EVENTS_PER_SECOND: "40" });

    const customers = () =>
      new Set(simulator.meterEvents({ event_name: "temperature_readings" }).map((one) => one.customer));
    await until(() => customers().size === 21, { what: "events of all customers to be delivered" });
    expect(backlog.counted("temperature_readings")).toBeLessThan(100);
  },
);

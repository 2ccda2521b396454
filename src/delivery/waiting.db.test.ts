import { sql } from "kysely";
import { expect } from "vitest";
import { deliverQueueOf } from "../queue/queues.ts";
import { addDueEvent, addMeterEvent } from "../testing/rows/meter-events.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { findMeterEvent, listMeterEvents } from "./meter-events.ts";
import { pauseDelivery, resumeDelivery } from "./pauses.ts";

test("a pending event tells what it waits for, and when it is due", async ({ database: { db }, boss }) => {
  const key = await addDueEvent({ db, boss });
  const wait = async () => {
    const found = await findMeterEvent(db, key.meterEventId);
    return [found?.waitsFor, found?.nextAttemptAt];
  };
  const aDate = expect.any(Date) as unknown;
  const putOff = () => sql`update pgboss.job set start_after = now() + interval '15 minutes'`.execute(db);

  expect(await wait()).toEqual(["turn", aDate]);
  await putOff();
  expect(await wait()).toEqual(["backoff", aDate]);
  await sql`update metering.meter_events set reason = 'too_early'`.execute(db);
  expect(await wait()).toEqual(["stripe_clock", aDate]);

  await pauseDelivery(db, "maintenance");
  expect(await wait()).toEqual(["pause", null]);
  await sql`
    update metering.delivery_control set paused_until = now() + interval '1 hour' where scope = 'account'
  `.execute(db);
  const [, until] = await wait();
  expect(until instanceof Date && until.getTime() - Date.now()).toBeGreaterThan(59 * 60_000);
  await resumeDelivery(db);
  expect(await wait()).toEqual(["turn", aDate]);

  const [job] = await boss.fetch(deliverQueueOf("temperature_readings"));
  expect(await wait()).toEqual(["attempt_under_way", null]);
  await boss.complete(deliverQueueOf("temperature_readings"), job?.id ?? "");
  expect(await wait()).toEqual(["reminder", null]);
});

test("an event that is not pending waits for nothing", async ({ database: { db } }) => {
  await addMeterEvent(db, { state: "delivered" });
  const all = { state: undefined, organizationId: undefined, meter: undefined, before: undefined, limit: 10 };
  expect(await listMeterEvents(db, all)).toMatchObject([{ waitsFor: null, nextAttemptAt: null }]);
});

import { expect } from "vitest";
import { aheadOfAll, remindToDeliver } from "../queue/deliver-job.ts";
import { idsOf, shipmentsTest } from "../testing/fixtures/shipments-fixture.ts";
import { addDueEvent, addMeterEvent } from "../testing/rows/meter-events.ts";
import { takePermitted } from "./take-permitted.ts";

const meter = "temperature_readings";

const test = shipmentsTest.extend("take", async ({ database: { db }, boss, taker: { open, log } }) => {
  const deps = { db, boss, log, open };
  return async (options: { areShippedFirst: boolean; room: number }) => {
    const { taken } = await takePermitted(deps, meter, {
      leaseSeconds: 45,
      probedScope: undefined,
      ...options,
    });
    return idsOf(taken);
  };
});

test("events of shipments and events with reminders of their own go first in turn", async ({
  database: { db },
  boss,
  add,
  take,
}) => {
  const { keys } = await add(2);
  const alone = await addDueEvent({ db, boss });

  expect(await take({ areShippedFirst: true, room: 1 })).toEqual(idsOf(keys.slice(0, 1)));
  expect(await take({ areShippedFirst: false, room: 1 })).toEqual(idsOf([alone]));
  expect(await take({ areShippedFirst: true, room: 9 })).toEqual(idsOf(keys.slice(1)));
});

test("events of shipments that go first leave their room to events with reminders of their own", async ({
  database: { db },
  boss,
  add,
  take,
}) => {
  const { keys } = await add(2);
  const alone = await addDueEvent({ db, boss });

  expect(await take({ areShippedFirst: true, room: 9 })).toEqual(idsOf([...keys, alone]));
});

test("a hurried event goes before all others, also where events of shipments go first", async ({
  database: { db },
  boss,
  add,
  take,
}) => {
  await add(2);
  await addDueEvent({ db, boss });
  const hurried = await addMeterEvent(db, { stripe_customer_id: "cus_hurried" });
  await remindToDeliver(boss, [{ ...hurried, meter, stripeCustomerId: "cus_hurried", ahead: aheadOfAll }]);

  expect(await take({ areShippedFirst: true, room: 1 })).toEqual(idsOf([hurried]));
});

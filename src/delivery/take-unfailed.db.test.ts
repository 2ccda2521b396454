import type { Db } from "../database/db.ts";
import { sql } from "kysely";
import { expect } from "vitest";
import { loopsTest as test } from "../testing/fixtures/loops-fixture.ts";
import { addDueEvent, addMeterEvent, ago, minuteMs, readMeterEvent } from "../testing/rows/meter-events.ts";
import { until } from "../testing/processes/until.ts";
import { silentLog } from "../log.ts";
import { meterNames } from "../usage/meters.ts";
import { createBreaker } from "./breaker.ts";
import { account as wholeAccount, readPauses, trip } from "./pauses.ts";

const failed = {
  attempts_started: 1,
  attempts_finished: 1,
  first_attempt_at: ago(5 * minuteMs),
  last_attempt_at: ago(5 * minuteMs),
  first_unknown_at: ago(5 * minuteMs),
};

/** One failed probe more makes it last for five minutes. */
async function pauseAccount(db: Db): Promise<void> {
  await trip(
    db,
    { scope: wholeAccount, reason: "stripe_unavailable", firstMs: 300_000, maxMs: 300_000 },
    { isProbe: false },
  );
}

const passTime = (db: Db) =>
  sql`update metering.delivery_control set paused_until = now() where scope = ${wholeAccount}`.execute(db);

test.for(meterNames)(
  "the probe of a pause is an event that never failed, of %s too, and not one of a customer with failures",
  async (meter, { loops, account, boss, database: { db } }) => {
    account.simulator.addCustomers("cus_bad", "cus_good");
    account.simulator.addFault({ kind: "status", status: 500, customer: "cus_bad" });
    const bad = await addDueEvent({ db, boss }, { ...failed, stripe_customer_id: "cus_bad" });
    await addDueEvent({ db, boss }, { organization_id: bad.organizationId, stripe_customer_id: "cus_bad" });
    const good = await addDueEvent({ db, boss }, { meter, stripe_customer_id: "cus_good" });
    await pauseAccount(db);
    await passTime(db);

    loops.start(account);

    // Another probe would be made five minutes later.
    await until(async () => (await readMeterEvent(db, good)).state === "delivered", { what: "the probe" });
    expect(await readPauses(db)).toEqual([]);
    expect(await readMeterEvent(db, good)).toMatchObject({ attempts_started: 1 });
  },
);

test("an event that failed is the probe where no other waits", async ({
  loops,
  account,
  boss,
  database: { db },
}) => {
  account.simulator.addCustomers("cus_1");
  await addDueEvent({ db, boss }, failed);
  await pauseAccount(db);
  await passTime(db);

  loops.start(account);

  await loops.untilDelivered();
  expect(await readPauses(db)).toEqual([]);
});

test("while only events that failed wait, of few organizations, new usage is sealed to probe with", async ({
  database: { db },
}) => {
  const openMeters = () => createBreaker({ db, log: silentLog }, { leaseSeconds: 45 }).openMeters();
  const bad = await addMeterEvent(db, failed);
  await pauseAccount(db);
  expect(await openMeters()).toEqual(meterNames);

  await addMeterEvent(db, { organization_id: bad.organizationId });
  expect(await openMeters()).toEqual([]);
});

test("while events of many organizations failed, usage waits to be summed up, until the pause has lasted for long", async ({
  database: { db },
}) => {
  const openMeters = () => createBreaker({ db, log: silentLog }, { leaseSeconds: 45 }).openMeters();
  for (let i = 0; i < 10; i += 1) await addMeterEvent(db, { ...failed, stripe_customer_id: `cus_${i}` });
  await pauseAccount(db);
  expect(await openMeters()).toEqual([]);

  await sql`update metering.delivery_control set paused_at = now() - interval '10 minutes' where scope = ${wholeAccount}`.execute(
    db,
  );
  expect(await openMeters()).toEqual(meterNames);
});

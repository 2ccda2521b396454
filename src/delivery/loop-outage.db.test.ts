import { expect, onTestFinished, test } from "vitest";
import { migrate } from "../migrate/migrate.ts";
import { openDatabase } from "../database/pool.ts";
import { silentLog } from "../log.ts";
import { createBoss } from "../queue/boss.ts";
import { createLoops } from "../testing/processes/delivery-loops.ts";
import { startEmbeddedPostgres } from "../testing/postgres/embedded-postgres.ts";
import { holdRequests } from "../testing/net/request-gate.ts";
import { addDueEvent } from "../testing/rows/meter-events.ts";
import { openStripeAccount } from "../testing/stripe/stripe-account.ts";
import { until } from "../testing/processes/until.ts";

/** A Postgres that the test may halt, with a database on it and a simulated Stripe beside it. */
async function openPlace() {
  const postgres = await startEmbeddedPostgres({ settings: "fast" });
  onTestFinished(postgres.stop);
  const databaseUrl = postgres.url;
  await migrate({ databaseUrl, log: silentLog });
  const pool = { connectionString: databaseUrl, applicationName: "outage test", connectionsMax: 5 };
  const { db, close } = openDatabase(pool, silentLog);
  onTestFinished(close);
  const boss = createBoss({ databaseUrl, role: "worker", connectionsMax: 2 }, silentLog);
  await boss.start();
  onTestFinished(() => boss.stop({ graceful: false }));
  const account = await openStripeAccount({ name: "outage" });
  onTestFinished(account.stop);
  const loops = createLoops({ db, boss });
  onTestFinished(async () => void (await loops.stopAll()));

  const addEvents = async (...customers: string[]) => {
    account.simulator.addCustomers(...customers);
    for (const customer of customers) await addDueEvent({ db, boss }, { stripe_customer_id: customer });
  };
  return { postgres, db, account, loops, addEvents };
}

test("attempts that end while the database is away are settled when it is back", async () => {
  const { postgres, db, account, loops, addEvents } = await openPlace();
  await addEvents("cus_1", "cus_2", "cus_3");
  const way = await holdRequests(account.url, "/v1/billing/meter_events");
  loops.start({ ...account, url: way.url }, { timeoutMs: 60_000 });
  await until(() => way.held() === 3, { what: "three requests" });

  await postgres.halt();
  way.open();
  await until(() => loops.events.filter(({ event }) => event === "settle_failed").length >= 2, {
    what: "settling to be tried again",
  });
  await postgres.resume();
  await loops.untilDelivered();

  const attempts = await db.selectFrom("delivery_attempts").select(["attempt", "verdict"]).execute();
  expect(attempts).toEqual(Array.from({ length: 3 }, () => ({ attempt: 1, verdict: "delivered" })));

  await addEvents("cus_4");
  await loops.untilDelivered();
  expect(account.simulator.state()).toMatchObject({ counted: 4, double_counted: 0, duplicates: 0 });
});

test("attempts that wait for a slot while the database is away are ended when it is back, and sent then", async () => {
  const { postgres, db, account, loops, addEvents } = await openPlace();
  await addEvents("cus_1", "cus_2", "cus_3");
  const way = await holdRequests(account.url, "/v1/billing/meter_events");
  loops.start({ ...account, url: way.url }, { timeoutMs: 60_000, concurrency: 1 });
  const begun = () => db.selectFrom("meter_events").select("id").where("attempts_started", "=", 1).execute();
  await until(async () => (await begun()).length === 3, { what: "one request and two that wait" });

  await postgres.halt();
  // What was known of pauses is outdated after a second.
  await until(() => loops.events.filter(({ event }) => event === "delivery_step_failed").length >= 3, {
    what: "the loop to fail for two seconds",
  });
  way.open();
  await until(() => loops.events.some(({ event }) => event === "settle_failed"), { what: "an answer" });
  await postgres.resume();
  await loops.untilDelivered();

  const attempts = await db.selectFrom("delivery_attempts").select(["code", "verdict"]).execute();
  expect(attempts.map(({ code, verdict }) => code ?? verdict).toSorted()).toEqual([
    ...Array<string>(3).fill("delivered"),
    ...Array<string>(2).fill("held_back"),
  ]);
});

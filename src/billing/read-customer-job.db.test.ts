import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { readCustomerQueue } from "../queue/queues.ts";
import { movedBack } from "../testing/rows/moved-back.ts";
import { readSubscriptionOf } from "../testing/rows/inbox.ts";
import { holdRequests } from "../testing/net/request-gate.ts";
import { stripeSideTest } from "../testing/fixtures/stripe-side-fixture.ts";
import { withoutTriggers } from "../testing/postgres/without-triggers.ts";
import { until } from "../testing/processes/until.ts";
import { sweepCustomerReads } from "./read-customer-job.ts";

const test = stripeSideTest.extend("operator", async ({ api }) => {
  const { id } = await api.join();
  const path = `/v1/organizations/${id}`;
  const token = api.adminToken;
  const shown = async () => {
    const { body } = await api.ask("GET", path, { token });
    return body["subscription"] as Record<string, unknown>;
  };
  return {
    id,
    shown,
    link: (customer: string) =>
      api.ask("PUT", `${path}/subscription`, {
        token,
        json: { stripe_customer_id: customer, status: "active" },
      }),
    untilFault: (fault: string | null) =>
      until(async () => (await shown())["customer_fault"] === fault, { what: `the fault ${fault}` }),
  };
});

test("the subscription of a customer that is linked by hand is adopted at once, without an event", async ({
  account: { stripe, priceIds },
  stripeSide,
  operator,
}) => {
  const { id: customer } = await stripe.customers.create();
  const items = [{ price: priceIds.temperature_readings }];
  const subscription = await stripe.subscriptions.create({ customer, items });
  await stripeSide.startWorker();

  await operator.link(customer);
  await until(async () => (await operator.shown())["stripe_subscription_id"] === subscription.id, {
    what: "the subscription to be adopted",
  });
  expect(await operator.shown()).toMatchObject({ status: "active", customer_fault: null });
  expect((await operator.shown())["current_period_end"]).not.toBeNull();
});

test("a customer that Stripe does not know, or that is of the other mode or deleted, shows as such", async ({
  account: { simulator, stripe },
  stripeSide,
  operator,
}) => {
  // The event of the deletion would unlink it.
  simulator.setSettings({ webhook_hold: true });
  await stripeSide.startWorker();
  await operator.link("cus_unknown");
  await operator.untilFault("unknown");
  expect(stripeSide.log.find(({ event }) => event === "customer_faulty")).toMatchObject({
    organization_id: operator.id,
    stripe_customer_id: "cus_unknown",
    fault: "unknown",
  });

  const { id: deleted } = await stripe.customers.create();
  await stripe.customers.del(deleted);
  await operator.link(deleted);
  await operator.untilFault("deleted");

  simulator.addCustomers("cus_good");
  await operator.link("cus_good");
  await operator.untilFault(null);
});

test("a customer of the other mode than the worker's key shows as such", async ({
  account: { stripe },
  stripeSide,
  operator,
}) => {
  const { id: customer } = await stripe.customers.create();
  await stripeSide.startWorker({ STRIPE_SECRET_KEY: "sk_live_1" });
  await operator.link(customer);
  await operator.untilFault("other_mode");
});

test("a link that is made while the customer before it is read gets a read of its own", async ({
  database: { db },
  account,
  stripeSide,
  operator,
}) => {
  const { stripe, priceIds } = account;
  const { id: customer } = await stripe.customers.create();
  const { id } = await stripe.subscriptions.create({ customer, items: [{ price: priceIds.active_sensors }] });
  const way = await holdRequests(account.url, "/v1/customers/cus_unknown");
  await stripeSide.startWorker({ STRIPE_API_BASE: way.url, STRIPE_TIMEOUT_MS: 40_000 });
  await operator.link("cus_unknown");
  await until(() => way.held() === 1, { what: "the read of the customer before" });

  await operator.link(customer);
  way.open();

  await until(async () => (await readSubscriptionOf(db, operator.id))?.subscription === id, {
    what: "the subscription to be adopted",
  });
  await operator.untilFault(null);
});

test("a job that pg-boss lost is made again by the link's own state", async ({
  database: { db },
  boss,
  account: { stripe, priceIds },
  stripeSide,
  operator,
}) => {
  const { id: customer } = await stripe.customers.create();
  const { id } = await stripe.subscriptions.create({ customer, items: [{ price: priceIds.active_sensors }] });
  await operator.link(customer);
  await boss.deleteAllJobs(readCustomerQueue.name);
  await wantLongAgo(db);

  await sweepCustomerReads({ db, boss });
  await stripeSide.startWorker();

  await until(async () => (await readSubscriptionOf(db, operator.id))?.subscription === id, {
    what: "the subscription to be adopted",
  });
});

test("a customer for whom Stripe does not answer has one job that is tried again, however often it is linked", async ({
  database: { db },
  boss,
  account: { simulator },
  stripeSide,
  operator,
}) => {
  simulator.addCustomers("cus_stuck");
  simulator.addFault({ kind: "status", status: 500, path: "/v1/customers/cus_stuck" });
  await stripeSide.startWorker();
  const failures = () => stripeSide.log.filter(({ event }) => event === "job_failed").length;
  const states = async () => (await boss.findJobs(readCustomerQueue.name)).map(({ state }) => state);
  for (let links = 0; links < 3; links += 1) {
    const failedBefore = failures();
    await operator.link("cus_stuck");
    await until(async () => failures() > failedBefore && (await states()).every((one) => one === "retry"), {
      what: "the read to fail",
    });
  }
  expect(await states()).toEqual(["retry"]);

  await wantLongAgo(db);
  await sweepCustomerReads({ db, boss });

  expect(await states()).toHaveLength(1);
});

test("reads that wait for Stripe keep no lost job of another customer from being made again", async ({
  database: { db },
  boss,
}) => {
  await sql`
    insert into metering.organizations (id, name) select gen_random_uuid(), 'Acme' from generate_series(1, 1001)
  `.execute(db);
  await withoutTriggers(db, (trx) =>
    sql`
      insert into metering.subscriptions (organization_id, stripe_customer_id, status, read_wanted_at)
      select id, 'cus_' || id, 'active', now() - interval '2 minutes' from metering.organizations
    `.execute(trx),
  );

  await sweepCustomerReads({ db, boss });
  await sweepCustomerReads({ db, boss });

  expect(await boss.findJobs(readCustomerQueue.name)).toHaveLength(1_001);
});

async function wantLongAgo(db: Db): Promise<void> {
  const longAgo = movedBack("read_wanted_at", sql`interval '2 minutes'`);
  await sql`update metering.subscriptions set read_wanted_at = ${longAgo}`.execute(db);
}

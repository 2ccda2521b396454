import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { readTotal } from "../testing/rows/bill.ts";
import { findBillingViolations } from "../testing/rows/billing-violations.ts";
import { type Customer, signUp } from "../testing/rows/customer.ts";
import { runGateway } from "../testing/net/gateway.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { findViolations } from "../testing/rows/invariants.ts";
import type { ServiceProcess } from "../testing/processes/service-process.ts";
import { adminToken, serviceTest as test } from "../testing/fixtures/service-fixture.ts";
import type { StripeAccount } from "../testing/stripe/stripe-account.ts";
import { until } from "../testing/processes/until.ts";

const gatewaysPerCustomer = 2;

test("what several gateways post to two APIs, with repeats, two workers bill once", async ({
  database: { db },
  account,
  road,
  launch,
}) => {
  const apis = [launch("api"), launch("api")] as const;
  const workers = [launch("worker"), launch("worker")];
  await Promise.all([...apis, ...workers].map((one) => one.started()));
  const customers = await signUpThree(apis, account);

  const sent = await postReadings(customers, apis, (batches) => batches < 30);
  await road.untilBilled();

  const bills = await Promise.all(customers.map(({ customer }) => readTotal(account, { customer })));
  expect(bills).toEqual(sent);
  expect(await findViolations(db)).toEqual([]);
  expect(await findBillingViolations(db, account)).toEqual([]);

  const processes = [...apis, ...workers];
  expect(await Promise.all(processes.map((one) => one.stop()))).toEqual([0, 0, 0, 0]);
  const logs = processes.map((one) => one.output()).join("");
  const secrets = [adminToken, account.secretKey, ...customers.map(({ key }) => key)];
  expect(secrets.filter((secret) => logs.includes(secret))).toEqual([]);
});

test("processes that are stopped under load lose no reading and no attempt", async ({
  database: { db },
  account,
  road,
  launch,
}) => {
  const apis = [launch("api"), launch("api")] as const;
  const workers = [launch("worker"), launch("worker")];
  await Promise.all([...apis, ...workers].map((one) => one.started()));
  const customers = await signUpThree(apis, account);
  account.simulator.addFault({ kind: "latency", ms: 400, path: "/v1/billing/meter_events" });

  let isOver = false;
  const sending = postReadings(customers, apis, () => !isOver);
  await until(() => account.simulator.state().faults_fired > 0, { what: "requests to be under way" });
  const [api, successorApi] = apis;
  const stopped = await Promise.all([api, ...workers].map((one) => one.stop()));
  const unfinished = await countUnfinishedAttempts(db);
  isOver = true;
  const sent = await sending;

  expect(stopped).toEqual([0, 0, 0]);
  expect(unfinished).toBe(0);
  const successor = launch("worker");
  await road.untilBilled();
  const bills = await Promise.all(customers.map(({ customer }) => readTotal(account, { customer })));
  expect(bills).toEqual(sent);
  expect(await findViolations(db)).toEqual([]);
  expect(await findBillingViolations(db, account)).toEqual([]);
  expect(await Promise.all([successorApi.stop("SIGINT"), successor.stop("SIGINT")])).toEqual([0, 0]);
});

type Apis = readonly [ServiceProcess, ServiceProcess];

async function signUpThree([api]: Apis, { stripe }: StripeAccount): Promise<Customer[]> {
  const signed: Customer[] = [];
  for (const name of ["Acme", "Blue", "Cold"]) {
    const { id: customer } = await stripe.customers.create({ name });
    signed.push(await signUp(api.url(), { adminToken, customer }));
  }
  return signed;
}

/**
 * Each customer's gateways post at once, beginning at different API processes. Returns the readings of each customer.
 */
async function postReadings(
  customers: readonly Customer[],
  apis: Apis,
  goesOn: (batchesSent: number) => boolean,
): Promise<number[]> {
  const urls = apis.map((api) => api.url());
  const gateways = Array.from({ length: gatewaysPerCustomer }, (_, gateway) => ({
    apiUrls: [...urls.slice(gateway), ...urls.slice(0, gateway)],
    from: hoursAgo(24 * (gateway + 1)),
    goesOn,
  }));
  return Promise.all(
    customers.map(async ({ key, sensors }) => {
      const sent = await Promise.all(gateways.map((gateway) => runGateway({ ...gateway, key, sensors })));
      return sent.reduce((sum, readings) => sum + readings, 0);
    }),
  );
}

async function countUnfinishedAttempts(db: Db): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select coalesce(sum(attempts_started - attempts_finished), 0)::int as count from metering.meter_events
  `.execute(db);
  return rows[0]?.count ?? 0;
}

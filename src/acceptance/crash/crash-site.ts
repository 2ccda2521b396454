import { EventEmitter } from "node:events";
import { createRandom } from "../../simulator/random.ts";
import type { Api } from "../../testing/fixtures/api-fixture.ts";
import { findFreePort } from "../../testing/net/free-port.ts";
import { linkCustomer } from "../../testing/rows/organizations.ts";
import { roadTest } from "../../testing/fixtures/road-fixture.ts";
import type { StripeAccount } from "../../testing/stripe/stripe-account.ts";
import type { TestDatabase } from "../../testing/postgres/test-database.ts";
import { workerEnvironment } from "../../testing/processes/worker-config.ts";
import type { CrashRun } from "./crash-run.ts";
import { fifthOfAllFaults } from "./faults.ts";
import { createGateway, type Gateway } from "./gateway.ts";

/** An organization, and the gateway that posts its readings. */
type Customer = { organizationId: string; customer: string; gateway: Gateway };

export type CrashSite = CrashRun & { customers: readonly Customer[] };

type Fixtures = { api: Api; account: StripeAccount; database: TestDatabase };

const organizationCount = 40;
/** Few, so that one death does not hold every customer's events for the length of a lease. */
const concurrency = 4;
const timeoutMs = 1_000;

/** Vitest's `test` with a `prepare` for a run of kills: customers with gateways, and a Stripe that fails often. */
export const crashTest = roadTest.extend(
  "prepare",
  async ({ api, account, database }) =>
    (seed: number) =>
      prepare({ api, account, database }, seed),
);

async function prepare({ api, account, database }: Fixtures, seed: number): Promise<CrashSite> {
  const random = createRandom(seed);
  const port = await findFreePort();
  await account.simulator.app.request("/_simulator/seed", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ seed }),
  });
  for (const fault of fifthOfAllFaults) account.simulator.addFault(fault);
  const answers = new EventEmitter();
  const customers: Customer[] = [];
  for (let n = 1; n <= organizationCount; n += 1) {
    customers.push(await addCustomer({ api, account, database }, { customer: `cus_${n}`, random, answers }));
  }
  const environment = {
    ...workerEnvironment({ databaseUrl: database.as("worker").url, account }),
    STRIPE_TIMEOUT_MS: String(timeoutMs),
    DELIVERY_CONCURRENCY: String(concurrency),
    PORT: String(port),
    ADMIN_TOKEN: api.adminToken,
    STRIPE_WEBHOOK_SECRET: "whsec_of_the_crash_suite",
  };
  return {
    db: database.db,
    simulator: account.simulator,
    random,
    answers,
    customers,
    gateways: customers.map(({ gateway }) => gateway),
    apiUrl: `http://127.0.0.1:${port}`,
    apiEnvironment: { ...environment, DATABASE_URL: database.as("api").url },
    environment,
  };
}

async function addCustomer(
  { api, account, database }: Fixtures,
  { customer, random, answers }: { customer: string; random: () => number; answers: EventEmitter },
): Promise<Customer> {
  const sensorId = "sensor-1";
  const { id: organizationId, key } = await api.join(["ingest"]);
  await api.ask("PUT", `/v1/sensors/${sensorId}`, { token: key, json: {} });
  account.simulator.addCustomers(customer);
  await linkCustomer(database.db, organizationId, { customer });
  return { organizationId, customer, gateway: createGateway({ key, sensorId, random, answers }) };
}

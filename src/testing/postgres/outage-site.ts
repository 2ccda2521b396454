import { test as base } from "vitest";
import { openDatabase } from "../../database/pool.ts";
import { silentLog } from "../../log.ts";
import { createRandom } from "../../simulator/random.ts";
import type { PostEnd } from "../../acceptance/crash/gateway.ts";
import { createWatchedGateway, type WatchedGateway } from "../../acceptance/crash/watched-gateway.ts";
import { signUp } from "../rows/customer.ts";
import { findFreePort } from "../net/free-port.ts";
import { startOwnPostgres } from "./own-postgres.ts";
import { type Service, type ServiceProcess, startService } from "../processes/service-process.ts";
import { createServiceRoles, nameServiceRoles, type ServiceRoles, urlOfRole } from "./service-roles.ts";
import { readBooks } from "../stripe/simulator-books.ts";
import { openAccountAt, type StripeAccess } from "../stripe/stripe-account.ts";
import { until } from "../processes/until.ts";
import { workerEnvironment } from "../processes/worker-config.ts";

/** An organization, and the gateway that posts its readings. */
type OutageCustomer = WatchedGateway & { organizationId: string; customer: string };

export type ServedOptions = {
  customerCount: number;
  patienceMs: number;
  /** How long Stripe takes for a meter event, so that some are on their way whenever Postgres goes. */
  stripeLatencyMs: number;
};
export type OutageOptions = ServedOptions & { image: string };

type Customers = { apiUrl: string; account: StripeAccess; options: ServedOptions };

const adminToken = "operator-token-of-the-outages-0123456789";

/**
 * Vitest's `test` with a `serve` for the service on a database that may fail, every program a process with its own role,
 * and an `undo` that ends at the test's end what the test has started. All of it ends with the test.
 */
export const servedTest = base
  .extend("undo", async ({ task }, { onCleanup }) => {
    const undos: (() => Promise<void>)[] = [];
    onCleanup(async () => {
      for (const undo of undos.toReversed()) await undo();
    });
    return (undo: () => Promise<void>) => {
      if (task.result?.state === "pass") throw new Error(`${task.name} has ended`);
      undos.push(undo);
    };
  })
  .extend(
    "launch",
    async ({ undo }) =>
      (service: Service, environment: Record<string, string>): ServiceProcess => {
        const launched = startService(service, environment);
        undo(launched.kill);
        return launched;
      },
  )
  .extend("serve", async ({ task, undo, launch }) => {
    return async ({ url, roles }: { url: string; roles: ServiceRoles }, options: ServedOptions) => {
      const simulator = launch("simulator", { PORT: "0" });
      await simulator.started();
      const account = await openAccountAt(simulator.url(), task.id);
      await slowDown(simulator.url(), options.stripeLatencyMs);

      const environment = {
        ...workerEnvironment({ databaseUrl: urlOfRole(url, roles.worker), account }),
        STRIPE_TIMEOUT_MS: "2000",
        SHUTDOWN_GRACE_SECONDS: "2",
      };
      const apiEnvironment = {
        ...environment,
        DATABASE_URL: urlOfRole(url, roles.api),
        ADMIN_TOKEN: adminToken,
        STRIPE_WEBHOOK_SECRET: "whsec_of_the_outages",
      };
      const startApi = (port = 0) => running(launch("api", { ...apiEnvironment, PORT: String(port) }));
      const startWorker = async () => {
        const port = String(await findFreePort());
        return running(launch("worker", { ...environment, WORKER_PORT: port }));
      };
      const [api, worker] = await Promise.all([startApi(), startWorker()]);
      const { db, close } = openDatabase(
        { connectionString: url, applicationName: "meter-outbox test", connectionsMax: 2 },
        silentLog,
      );
      undo(close);
      const { customers, ends } = await addCustomers({ apiUrl: api.url(), account, options });
      const untilStripeIsAsked = () => untilFaultFires(simulator.url());
      return { simulator, untilStripeIsAsked, api, worker, startApi, startWorker, db, customers, ends };
    };
  });

/** Vitest's `test` with an `open` for a Postgres container of its own and the service on it. */
export const outageTest = servedTest.extend("open", async ({ undo, launch, serve }) => {
  return async (options: OutageOptions) => {
    const postgres = await startOwnPostgres(options.image);
    undo(postgres.remove);
    await migrate(launch("migrate", { DATABASE_URL: postgres.url }));
    const roles = nameServiceRoles("outage_");
    await createServiceRoles(postgres.url, roles);
    return { postgres, ...(await serve({ url: postgres.url, roles }, options)) };
  };
});

async function running(launched: ServiceProcess): Promise<ServiceProcess> {
  await launched.started();
  return launched;
}

async function migrate(run: ServiceProcess): Promise<void> {
  const exitCode = await run.ended();
  if (exitCode !== 0) throw new Error(`migrate ended with ${exitCode}: ${run.output()}`);
}

async function slowDown(simulatorUrl: string, ms: number): Promise<void> {
  const answer = await fetch(`${simulatorUrl}/_simulator/faults`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ kind: "latency", ms, path: "/v1/billing/meter_events" }),
  });
  if (!answer.ok) throw new Error(`the simulator answered ${answer.status}: ${await answer.text()}`);
}

/** The latency is the only fault: a request is then on its way, and stays so for as long. */
async function untilFaultFires(simulatorUrl: string): Promise<void> {
  const countFired = async () => (await readBooks(simulatorUrl)).state().faults_fired;
  const before = await countFired();
  await until(async () => (await countFired()) > before, { what: "a request to Stripe" });
}

/** `ends` grows with every post of every gateway. */
async function addCustomers({ apiUrl, account, options }: Customers) {
  const customers: OutageCustomer[] = [];
  const ends: PostEnd[] = [];
  for (let n = 1; n <= options.customerCount; n += 1) {
    const { id: customer } = await account.stripe.customers.create({ name: `Acme ${n}` });
    const { id: organizationId, key, sensors } = await signUp(apiUrl, { adminToken, customer });
    const [sensorId = ""] = sensors;
    const { patienceMs } = options;
    const watched = createWatchedGateway({ key, sensorId, random: createRandom(n), patienceMs }, ends);
    customers.push({ organizationId, customer, ...watched });
  }
  return { customers, ends };
}

import { EventEmitter } from "node:events";
import { test as base } from "vitest";
import { openDatabase } from "../database/pool.ts";
import { silentLog } from "../log.ts";
import { createRandom } from "../simulator/random.ts";
import { createGateway, type Gateway } from "./crash/gateway.ts";
import { signUp } from "./customer.ts";
import { findFreePort } from "./free-port.ts";
import { startOwnPostgres } from "./own-postgres.ts";
import { type Service, type ServiceProcess, startService } from "./service-process.ts";
import { openAccountAt } from "./stripe-account.ts";
import { workerEnvironment } from "./worker-config.ts";

/** An organization, and the gateway that posts its readings. */
export type OutageCustomer = { organizationId: string; customer: string; key: string; gateway: Gateway };

const adminToken = "operator-token-of-the-outages-0123456789";

type Undo = () => Promise<void>;

/**
 * Vitest's `test` with an `open` for a Postgres container of its own and the service on it, every program a process.
 * Nothing of it outlives the test.
 */
export const outageTest = base.extend("open", async ({ task }, { onCleanup }) => {
  const undos: Undo[] = [];
  onCleanup(async () => {
    for (const undo of undos.toReversed()) await undo();
  });

  return async (image: string, customerCount: number) => {
    const postgres = await startOwnPostgres(image);
    undos.push(postgres.remove);
    const launch = (service: Service, environment: Record<string, string>): ServiceProcess => {
      const launched = startService(service, environment);
      undos.push(launched.kill);
      return launched;
    };
    await migrate(launch("migrate", { DATABASE_URL: postgres.url }));
    const simulator = launch("simulator", { PORT: "0" });
    await simulator.started();
    const account = await openAccountAt(simulator.url(), task.id);
    const environment = {
      ...workerEnvironment({ databaseUrl: postgres.url, account }),
      WORKER_PORT: String(await findFreePort()),
      STRIPE_TIMEOUT_MS: "1000",
      SHUTDOWN_GRACE_SECONDS: "2",
      PORT: "0",
      ADMIN_TOKEN: adminToken,
      STRIPE_WEBHOOK_SECRET: "whsec_of_the_outages",
    };
    const [api, worker] = [launch("api", environment), launch("worker", environment)];
    await Promise.all([api.started(), worker.started()]);
    const database = openDatabase(
      { connectionString: postgres.url, applicationName: "meter-outbox test", connectionsMax: 2 },
      silentLog,
    );
    undos.push(database.close);

    const answers = new EventEmitter();
    const customers: OutageCustomer[] = [];
    for (let n = 1; n <= customerCount; n += 1) {
      const { id: customer } = await account.stripe.customers.create({ name: `Acme ${n}` });
      const { id: organizationId, key, sensors } = await signUp(api.url(), { adminToken, customer });
      const gateway = createGateway({ key, sensorId: sensors[0] ?? "", random: createRandom(n), answers });
      customers.push({ organizationId, customer, key, gateway });
    }
    return { postgres, simulator, api, worker, db: database.db, customers, answers };
  };
});

async function migrate(run: ServiceProcess): Promise<void> {
  const exitCode = await run.ended();
  if (exitCode !== 0) throw new Error(`migrate ended with ${exitCode}: ${run.output()}`);
}

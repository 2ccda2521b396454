import { type RunningJobs, startJobs } from "../ops/worker-jobs.ts";
import { createBoss } from "../queue/boss.ts";
import { apiTest } from "./api-test.ts";
import { addOrganization, type Link } from "./organizations.ts";
import { createRecordingLog } from "./recording-log.ts";
import { openStripeAccount } from "./stripe-account.ts";
import { untilBilled } from "./until-billed.ts";
import { workerConfig } from "./worker-config.ts";

/** Vitest's `test` with the road that it needs: a pg-boss, a simulated Stripe, and workers, all on its own database. */
export const roadTest = apiTest
  .extend("boss", async ({ database }, { onCleanup }) => {
    const { log } = createRecordingLog();
    // No crons are registered, so none fire; jobs are fetched by whoever the test says.
    const boss = createBoss(
      { databaseUrl: database.as("worker").url, role: "worker", connectionsMax: 2 },
      log,
    );
    await boss.start();
    onCleanup(() => boss.stop({ graceful: false }));
    return boss;
  })
  .extend("account", async ({ task }, { onCleanup }) => {
    const account = await openStripeAccount({ name: task.id });
    onCleanup(account.stop);
    return account;
  })
  .extend("road", async ({ database, account }, { onCleanup }) => {
    const { db } = database;
    const { log, events } = createRecordingLog();
    const workers = new Set<RunningJobs>();
    const stopAll = () => Promise.all([...workers].map((worker) => worker.stop(5_000)));
    onCleanup(async () => void (await stopAll()));

    return {
      /** What the workers logged. */
      events,
      /** Creates an organization that a new Stripe customer pays for. */
      join: async (period: Omit<Link, "customer"> = {}) => {
        const { id: customer } = await account.stripe.customers.create({ name: "Acme" });
        return { id: await addOrganization(db, { customer, ...period }), customer };
      },
      /** Starts all that a worker process does, faster than in production. It is stopped after the test. */
      startWorker: async () => {
        const access = database.as("worker");
        const config = workerConfig({ databaseUrl: access.url, account });
        const worker = await startJobs({ db: access.db, log }, config);
        workers.add(worker);
        return worker;
      },
      untilBilled: () => untilBilled(db),
    };
  });

import type { ApplyDeps } from "../billing/apply-event.ts";
import type { WorkerConfig } from "../config.ts";
import { startServer } from "../http/server.ts";
import { createApiApp } from "../ops/api-app.ts";
import { type RunningJobs, startJobs } from "../ops/worker-jobs.ts";
import { createStripe } from "../stripe/client.ts";
import { createStripeReads } from "../stripe/reads.ts";
import { webhookSecrets } from "./api-test.ts";
import { readInbox } from "./inbox.ts";
import { createRecordingLog } from "./recording-log.ts";
import { serviceTest } from "./service-test.ts";
import { until } from "./until.ts";
import { workerConfig } from "./worker-config.ts";

type Checkout = { organizationId?: string; customer?: string; trialDays?: number };
type Payment = "paid" | "trial" | "unpaid";
export type Linked = { session: string; customer: string; subscription: string };

/**
 * Vitest's `test` with all of Stripe's side: a simulated account that delivers its signed events to an API of the test's
 * own, customers who check out, and workers that count the sensors of `active` and `trialing` organizations.
 */
export const stripeSideTest = serviceTest.extend(
  "stripeSide",
  async ({ database, boss, account }, { onCleanup }) => {
    const { simulator, stripe } = account;
    const { log, events, at: loggedAt } = createRecordingLog();
    const workers = new Set<RunningJobs>();
    const { db } = database;
    const asWorker = database.as("worker");
    const app = createApiApp({
      db: database.as("api").db,
      pool: database.as("api").pool,
      boss,
      log,
      adminToken: "operator-token-of-stripes-side-0123456789",
      readingsMaxAgeDays: 365,
      webhookSecrets,
    });
    const server = await startServer(app, { host: "127.0.0.1", port: 0 });
    onCleanup(async () => {
      await Promise.all([...workers].map((worker) => worker.stop(5_000)));
      await simulator.close();
      await server.stop(0);
    });
    simulator.setSettings({ webhook_retry_ms: 50 });
    simulator.addWebhookEndpoint({
      url: `http://127.0.0.1:${server.port}/webhooks/stripe`,
      secrets: webhookSecrets.slice(-1),
      payload: "both",
    });

    async function startWorker(changes: Partial<WorkerConfig> = {}): Promise<RunningJobs> {
      const usual = {
        ...workerConfig({ databaseUrl: asWorker.url, account }),
        BILLABLE_STATUSES: ["active", "trialing"],
      };
      const worker = await startJobs({ db: asWorker.db, log }, { ...usual, ...changes });
      workers.add(worker);
      return worker;
    }

    /** A customer goes through Stripe's checkout for an organization. */
    async function checkOut(
      { organizationId, customer, trialDays }: Checkout,
      payment: Payment = "paid",
    ): Promise<Linked> {
      const { id } = await stripe.checkout.sessions.create({
        mode: "subscription",
        line_items: Object.values(account.priceIds).map((price) => ({ price })),
        success_url: "https://example.com",
        ...(organizationId !== undefined && { client_reference_id: organizationId }),
        ...(customer !== undefined && { customer }),
        ...(payment === "trial" && { subscription_data: { trial_period_days: trialDays ?? 14 } }),
      });
      const session = simulator.completeCheckout(id, payment === "unpaid" ? { async: true } : {});
      return { session: id, customer: String(session.customer), subscription: String(session.subscription) };
    }

    /** Waits until every event that was let go has arrived and none of the inbox is pending. */
    async function untilHandled(): Promise<void> {
      await simulator.deliveriesSettled();
      const pending = async () => (await readInbox(db)).filter(({ state }) => state === "pending");
      await until(async () => (await pending()).length === 0, {
        what: "every event to be handled",
        standing: async () => JSON.stringify(await pending()),
      });
    }

    /** What was done about an event, each time that something was. */
    const effectsOf = (eventId: string) =>
      events
        .filter((one) => one["event"] === "stripe_event_handled" && one["event_id"] === eventId)
        .map((one) => one["effect"]);

    /** The latest event of a type. */
    function eventOf(type: string): string {
      const found = simulator.events().findLast((event) => event["type"] === type);
      if (found === undefined) throw new Error(`Stripe made no ${type}`);
      return found.id;
    }

    const client = createStripe({ apiKey: account.secretKey, apiBase: account.url, timeoutMs: 15_000 });
    /** What a worker's handler has, for tests that take its steps by hand. */
    const applyDeps: ApplyDeps = {
      db: asWorker.db,
      boss,
      reads: createStripeReads(client, account.secretKey),
      eventNames: { temperature_readings: "temperature_readings", active_sensors: "active_sensors" },
    };
    return { log: events, loggedAt, applyDeps, startWorker, checkOut, untilHandled, effectsOf, eventOf };
  },
);

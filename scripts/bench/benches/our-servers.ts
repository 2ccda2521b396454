import { randomBytes } from "node:crypto";
import { type ServerProcess, startServerProcess } from "../site/server-process.ts";
import type { Site } from "../site/site.ts";

const secretBytes = 24;

type ApiServer = ServerProcess & { adminToken: string; webhookSecret: string };

/** Starts the API as it is built, with its defaults. */
export async function startApi(site: Site, databaseUrl: string): Promise<ApiServer> {
  const adminToken = randomBytes(secretBytes).toString("hex");
  const webhookSecret = "whsec_bench";
  const server = await startServerProcess(site, {
    script: "dist/api.js",
    env: (port) => ({
      DATABASE_URL: databaseUrl,
      HOST: "127.0.0.1",
      PORT: String(port),
      ADMIN_TOKEN: adminToken,
      STRIPE_WEBHOOK_SECRET: webhookSecret,
    }),
  });
  return { ...server, adminToken, webhookSecret };
}

export type WorkerOptions = {
  databaseUrl: string;
  stripeUrl: string;
  transport?: "sync" | "stream";
  sealIntervalSeconds?: number;
  /** The longest wait of what Stripe refused; the default's quarter of an hour would outlast a bench. */
  retrySecondsMax?: number;
  /** The worker's rate; beyond reach when left out. */
  eventsPerSecondMax?: number;
};

/** A worker's default number of requests in flight at once. The bare loop has as many. */
export const deliveryConcurrency = 50;
/** More than any of them sends, and more than Stripe's stream takes of an account unless that was agreed. */
const beyondReach = 200_000;

/**
 * Starts the worker as it is built, with its defaults, except for Stripe's rate limit: with it most benches would measure
 * the limit.
 */
export function startWorker(
  site: Site,
  {
    databaseUrl,
    stripeUrl,
    transport = "sync",
    sealIntervalSeconds = 30,
    retrySecondsMax,
    eventsPerSecondMax = beyondReach,
  }: WorkerOptions,
): Promise<ServerProcess> {
  return startServerProcess(site, {
    script: "dist/worker.js",
    env: (port) => ({
      DATABASE_URL: databaseUrl,
      HOST: "127.0.0.1",
      WORKER_PORT: String(port),
      STRIPE_SECRET_KEY: "sk_test_bench",
      STRIPE_API_BASE: stripeUrl,
      STRIPE_MAX_EVENTS_PER_SECOND: String(eventsPerSecondMax),
      DELIVERY_CONCURRENCY: String(deliveryConcurrency),
      DELIVERY_TRANSPORT: transport,
      SEAL_INTERVAL_SECONDS: String(sealIntervalSeconds),
      ...(retrySecondsMax !== undefined && {
        RETRY_BASE_SECONDS: "1",
        RETRY_MAX_SECONDS: String(retrySecondsMax),
      }),
    }),
  });
}

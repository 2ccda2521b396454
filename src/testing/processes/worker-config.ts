import { environments, type WorkerConfig } from "../../config.ts";
import type { StripeAccount } from "../stripe/stripe-account.ts";

/** The environment of a worker in a test: everything as in production, but sooner. */
export function workerEnvironment({
  databaseUrl,
  account,
}: {
  databaseUrl: string;
  account: Pick<StripeAccount, "url" | "secretKey">;
}): Record<string, string> {
  return {
    DATABASE_URL: databaseUrl,
    HOST: "127.0.0.1",
    WORKER_PORT: "0",
    STRIPE_SECRET_KEY: account.secretKey,
    STRIPE_API_BASE: account.url,
    STRIPE_MAX_EVENTS_PER_SECOND: "2000",
    SEAL_INTERVAL_SECONDS: "1",
    RETRY_BASE_SECONDS: "1",
    RETRY_MAX_SECONDS: "2",
    // A worker counts sensors when it starts, which would add entries to every test; one about counts says "active".
    BILLABLE_STATUSES: "x:counted_by_nobody",
  };
}

/** The same, as the worker reads it. */
export function workerConfig(
  of: Parameters<typeof workerEnvironment>[0],
  environment: Record<string, string> = {},
): WorkerConfig {
  return environments.worker.parse({ ...workerEnvironment(of), ...environment });
}

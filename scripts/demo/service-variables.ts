import { randomBytes } from "node:crypto";
import { type StripeSide, stripeVariables } from "./stripe-side.ts";

const host = "127.0.0.1";
const sealIntervalSeconds = 1;
/** The simulator's sums lag by seconds at most, so a person at a demo need not wait for an hour. */
const simulatorsSums = { RECONCILE_SETTLE_SECONDS: "4", RECONCILE_ABSENCE_SECONDS: "4" };
const shutdownGraceSeconds = 10;
const secretBytes = 24;

export type ServiceOptions = {
  databaseUrl: string;
  adminToken: string;
  /** Opens the console once, from the link that is printed. */
  signInCode: string;
  webhookSecret: string;
  apiPort: number;
  workerPort: number;
  stripe: StripeSide;
};

/** A token for this run only. */
export function makeSecret(prefix: string): string {
  return `${prefix}_${randomBytes(secretBytes).toString("hex")}`;
}

/** The API's environment. It is reached from this machine only. */
export function apiVariables(options: ServiceOptions): Record<string, string> {
  return {
    ...sharedVariables(options),
    PORT: String(options.apiPort),
    ADMIN_TOKEN: options.adminToken,
    CONSOLE_SIGN_IN_CODE: options.signInCode,
    STRIPE_WEBHOOK_SECRET: options.webhookSecret,
  };
}

/** The worker's environment. It seals every second, so that the bill is not long in coming. */
export function workerVariables(options: ServiceOptions): Record<string, string> {
  return {
    ...sharedVariables(options),
    ...stripeVariables(options.stripe),
    WORKER_PORT: String(options.workerPort),
    SEAL_INTERVAL_SECONDS: String(sealIntervalSeconds),
    ...(options.stripe.kind === "simulator" && simulatorsSums),
  };
}

function sharedVariables({ databaseUrl }: ServiceOptions): Record<string, string> {
  return { DATABASE_URL: databaseUrl, HOST: host, SHUTDOWN_GRACE_SECONDS: String(shutdownGraceSeconds) };
}

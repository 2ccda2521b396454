import { userInfo } from "node:os";
import type { PgBoss } from "pg-boss";
import type Stripe from "stripe";
import type { Operator } from "../actions/operator-actions.ts";
import type { CliConfig, CliStripeConfig } from "../config.ts";
import { openDatabase } from "../database/pool.ts";
import type { Db } from "../database/db.ts";
import { silentLog } from "../log.ts";
import { createStripe } from "../stripe/client.ts";

/** Where the command line runs: a process, or a test. */
export type Surroundings = {
  version: string;
  /** Each ends the process when the environment is wrong. */
  readConfig: () => CliConfig;
  readStripeConfig: () => CliStripeConfig;
  now: () => Date;
  writeOut: (text: string) => void;
  writeErr: (text: string) => void;
};

/** The tools of a command. */
export type CommandTools = {
  config: CliConfig;
  db: Db;
  /** The user who runs the command, for the list of operators' actions. */
  operator: Operator;
  now: () => Date;
  /** A pg-boss that only sends, started by the first call. */
  openBoss: () => Promise<PgBoss>;
  /** Stripe, for a command that needs it. */
  openStripe: () => Stripe;
  readStripeConfig: () => CliStripeConfig;
  /** What a command that takes long tells on its way. */
  tellProgress: (line: string) => void;
};

const connectionsMax = 2;

/** Lends a command its tools, and closes them afterwards in any case. */
export async function withTools<T>(
  { readConfig, readStripeConfig, now, writeErr }: Omit<Surroundings, "version" | "writeOut">,
  work: (tools: CommandTools) => Promise<T>,
): Promise<T> {
  const config = readConfig();
  const databaseUrl = config.DATABASE_URL;
  // stdout and stderr belong to the command's own words, so nothing is logged.
  const database = openDatabase(
    { connectionString: databaseUrl, applicationName: "meter-outbox cli", connectionsMax },
    silentLog,
  );
  let boss: Promise<PgBoss> | undefined;
  const openBoss = async () => {
    const { startBoss } = await import("../queue/start-boss.ts");
    return startBoss({ db: database.db, log: silentLog }, { databaseUrl, role: "api", connectionsMax: 1 });
  };
  try {
    return await work({
      config,
      db: database.db,
      operator: { via: "cli", name: userName() },
      now,
      openBoss: () => (boss ??= openBoss()),
      openStripe: () => connectStripe(readStripeConfig()),
      readStripeConfig,
      tellProgress: (line) => writeErr(`${line}\n`),
    });
  } finally {
    await boss?.then((started) => started.stop({ graceful: false }));
    await database.close();
  }
}

/** Empty for a number that the system has no name for, as in a container. */
function userName(): string {
  try {
    return userInfo().username;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_SYSTEM_ERROR") return "";
    throw error;
  }
}

/** The Stripe client of the configuration. */
export function connectStripe(config: CliStripeConfig): Stripe {
  return createStripe({
    apiKey: config.STRIPE_SECRET_KEY,
    apiBase: config.STRIPE_API_BASE,
    timeoutMs: config.STRIPE_TIMEOUT_MS,
  });
}

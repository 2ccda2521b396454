import { z } from "zod";
import { transports } from "./usage/transports.ts";
import {
  allowedStatuses,
  billableByDefault,
  statusesMeant,
  statusPattern,
} from "./usage/subscription-statuses.ts";
import {
  commaSeparated,
  isBareHttpUrl,
  isCollectorUrl,
  isHeaderList,
  isHttpUrl,
  postgresUrlFault,
  secretList,
} from "./variable-forms.ts";

/** Exit code of a process whose environment is wrong: EX_CONFIG of sysexits.h. */
const exitCodeConfig = 78;

const seconds = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const days = seconds;
/** Stripe takes usage of the last 35 days. `metering.drop_partition` refuses younger months, too. */
const retentionDaysMin = 70;
const port = z.coerce.number().int().min(0).max(65_535);
/** At a lower rate an event would wait for the rate alone longer than for anything else. */
const eventsPerSecondMin = 0.1;
/** 0: no limit. */
const perSecond = z.coerce.number().int().min(0).max(1_000_000).default(0);
const statusList = commaSeparated
  .refine((words) => words.length > 0, "must name at least one status: without any, no sensor is counted")
  .refine((words) => words.every((word) => statusPattern.test(word)), `each word ${allowedStatuses}`)
  .transform(statusesMeant);
const sensors = { BILLABLE_STATUSES: statusList.default([...billableByDefault]) };
/** The size of one body. */
const heldBytesMin = 1_048_576;

const database = {
  DATABASE_URL: z.string().refine((url) => postgresUrlFault(url) === undefined, {
    error: ({ input }) => postgresUrlFault(String(input)),
  }),
  DATABASE_BACKEND: z.enum(["postgres", "citus"]).default("postgres"),
  READINGS_MAX_AGE_DAYS: days(1, 3_650).default(365),
  READINGS_RETENTION_DAYS: days(retentionDaysMin, 36_500).optional(),
  LOG_LEVEL: z.enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"]).default("info"),
};
const tracing = {
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .string()
    .refine(isCollectorUrl, "must be an http(s) URL without credentials or a query")
    .optional(),
  OTEL_EXPORTER_OTLP_HEADERS: z
    .string()
    .refine(isHeaderList, "must be name=value pairs, comma-separated, with values percent-encoded")
    .optional(),
  OTEL_SERVICE_NAME: z.string().max(255).optional(),
  OTEL_TRACES_SAMPLER: z
    .enum([
      "always_on",
      "always_off",
      "traceidratio",
      "parentbased_always_on",
      "parentbased_always_off",
      "parentbased_traceidratio",
    ])
    .default("parentbased_always_on"),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1),
};
const alerts = {
  ALERT_WEBHOOK_URL: z.string().refine(isHttpUrl, "must be an http(s) URL").optional(),
};
const shutdown = { SHUTDOWN_GRACE_SECONDS: seconds(0, 3_600).default(30) };
const meters = {
  METER_READINGS_EVENT_NAME: z.string().min(1).max(100).default("temperature_readings"),
  METER_SENSORS_EVENT_NAME: z.string().min(1).max(100).default("active_sensors"),
};

/** Checked by the command line, too: `stripe setup` would make a meter, whose name Stripe keeps for ever. */
const namesTwoMeters = (env: Record<keyof typeof meters, string>): boolean =>
  env.METER_READINGS_EVENT_NAME !== env.METER_SENSORS_EVENT_NAME;
const sharedEventName = {
  path: ["METER_SENSORS_EVENT_NAME"],
  message: "must not be METER_READINGS_EVENT_NAME: two meters cannot share an event name",
};

const stripeKey = z
  .string()
  .regex(/^(sk|rk)_(test|live)_\w+$/, "must be a Stripe secret or restricted key (sk_… or rk_…)");
const stripeConnection = {
  STRIPE_API_BASE: z
    .string()
    .refine(isBareHttpUrl, "must be an http(s) URL without a path")
    .default("https://api.stripe.com"),
  STRIPE_TIMEOUT_MS: z.coerce.number().int().min(100).max(40_000).default(15_000),
};

/** Checked by every process, so that the one that takes readings in and the one that drops them agree. */
const keepsWhatItAccepts = (env: {
  READINGS_MAX_AGE_DAYS: number;
  READINGS_RETENTION_DAYS?: number | undefined;
}): boolean =>
  env.READINGS_RETENTION_DAYS === undefined || env.READINGS_RETENTION_DAYS >= env.READINGS_MAX_AGE_DAYS;
const tooShortRetention = {
  path: ["READINGS_RETENTION_DAYS"],
  message:
    "must not be smaller than READINGS_MAX_AGE_DAYS: a reading sent again after its month was dropped would be billed twice",
};

const operatorToken = z.string().min(32, "must have at least 32 characters");
const bearerToken = operatorToken.regex(/^[!-~]*$/, "must be printable ASCII, no blanks: headers carry it");
const reconciliation = {
  RECONCILE_READS_PER_DAY: z.coerce.number().int().min(0).max(1_000_000).optional(),
  RECONCILE_SETTLE_SECONDS: seconds(0, 86_400).default(900),
  RECONCILE_ABSENCE_SECONDS: seconds(0, 604_800).default(3_600),
};
const migrateEnvironment = z.object(database).refine(keepsWhatItAccepts, tooShortRetention);

/** Of the worker, and of doctor, which tests whether the key may do what it asks for. */
const closeGate = { CLOSE_GATE: z.enum(["off", "watch", "hold"]).default("watch") };

const cli = z.object({
  ...database,
  ...meters,
  ...sensors,
  ...stripeConnection,
  ...reconciliation,
  STRIPE_SECRET_KEY: stripeKey.optional(),
  ...closeGate,
});
const cliEnvironment = cli
  .refine(namesTwoMeters, sharedEventName)
  .refine(keepsWhatItAccepts, tooShortRetention);
const cliStripeEnvironment = cli
  .required({ STRIPE_SECRET_KEY: true })
  .refine(namesTwoMeters, sharedEventName)
  .refine(keepsWhatItAccepts, tooShortRetention);

const apiEnvironment = z
  .object({
    ...database,
    ...sensors,
    ...shutdown,
    ...tracing,
    HOST: z.string().min(1).default("0.0.0.0"),
    PORT: port.default(3000),
    HTTP_CONNECTIONS_MAX: z.coerce.number().int().min(1).max(1_000_000).default(10_000),
    HELD_BYTES_MAX: z.coerce
      .number()
      .int()
      .min(heldBytesMin)
      .max(2 ** 40)
      .default(268_435_456),
    ADMIN_TOKEN: bearerToken,
    CONSOLE: z.enum(["on", "off"]).default("on"),
    CONSOLE_TOKEN: operatorToken.optional(),
    CONSOLE_SIGN_IN_CODE: operatorToken.optional(),
    STRIPE_WEBHOOK_SECRET: secretList,
    RATE_LIMIT_REQUESTS_PER_SECOND: perSecond,
    RATE_LIMIT_READINGS_PER_SECOND: perSecond,
    ...alerts,
  })
  .refine((env) => env.CONSOLE_TOKEN !== env.ADMIN_TOKEN, {
    path: ["CONSOLE_TOKEN"],
    message: "must not be ADMIN_TOKEN: who has it may only look",
  })
  .refine(keepsWhatItAccepts, tooShortRetention);

const workerEnvironment = z
  .object({
    ...database,
    ...shutdown,
    ...tracing,
    ...meters,
    HOST: z.string().min(1).default("0.0.0.0"),
    WORKER_PORT: port.default(3001),
    ...stripeConnection,
    STRIPE_SECRET_KEY: stripeKey,
    // Stripe's stream takes 10,000 a second of an account, and up to 200,000 where that was agreed.
    STRIPE_MAX_EVENTS_PER_SECOND: z.coerce.number().min(eventsPerSecondMin).max(200_000).optional(),
    DELIVERY_TRANSPORT: z.enum(transports).default("sync"),
    DELIVERY_CONCURRENCY: z.coerce.number().int().min(1).max(1_000).default(50),
    SEAL_INTERVAL_SECONDS: seconds(1, 3_600).default(30),
    RETRY_BASE_SECONDS: seconds(1, 3_600).default(5),
    RETRY_MAX_SECONDS: seconds(1, 86_400).default(900),
    ...sensors,
    OUTBOX_RETENTION_DAYS: days(retentionDaysMin, 36_500).default(400),
    ...closeGate,
    ...reconciliation,
    CLOSE_GATE_MARGIN_MINUTES: z.coerce.number().int().min(2).max(55).default(20),
    LATE_USAGE: z.enum(["report", "carry_forward"]).default("report"),
    ...alerts,
  })
  .refine(namesTwoMeters, sharedEventName)
  .refine((env) => env.RETRY_MAX_SECONDS >= env.RETRY_BASE_SECONDS, {
    path: ["RETRY_MAX_SECONDS"],
    message: "must not be smaller than RETRY_BASE_SECONDS",
  })
  .refine(keepsWhatItAccepts, tooShortRetention);

export type MigrateConfig = z.infer<typeof migrateEnvironment>;
export type ApiConfig = z.infer<typeof apiEnvironment>;
export type WorkerConfig = z.infer<typeof workerEnvironment>;
export type CliConfig = z.infer<typeof cliEnvironment>;
export type CliStripeConfig = z.infer<typeof cliStripeEnvironment>;

/** The environment that `node dist/migrate.js` needs. */
export const readMigrateConfig = (): MigrateConfig => readOrExit(migrateEnvironment);
/** The environment that `node dist/api.js` needs. */
export const readApiConfig = (): ApiConfig => readOrExit(apiEnvironment);
/** The environment that `node dist/worker.js` needs. */
export const readWorkerConfig = (): WorkerConfig => readOrExit(workerEnvironment);
/** The environment that every command of `node dist/cli.js` needs. */
export const readCliConfig = (): CliConfig => readOrExit(cliEnvironment);
/** The environment of the commands that work on Stripe. */
export const readCliStripeConfig = (): CliStripeConfig => readOrExit(cliStripeEnvironment);

/** One line for each fault of an environment, naming the variable and never its value. Empty or blank means unset: a blank number would be 0. */
export function environmentFaults(schema: z.ZodType, env: Record<string, string | undefined>): string[] {
  const parsed = schema.safeParse(withoutBlank(env));
  if (parsed.success) return [];
  return parsed.error.issues.map((issue) => {
    const name = issue.path.join(".");
    const isMissing = issue.code === "invalid_type" && withoutBlank(env)[name] === undefined;
    return `${name}: ${isMissing ? "is required" : issue.message}`;
  });
}

export const environments = {
  migrate: migrateEnvironment,
  api: apiEnvironment,
  worker: workerEnvironment,
  cli: cliEnvironment,
  cliStripe: cliStripeEnvironment,
};

function readOrExit<T>(schema: z.ZodType<T>): T {
  const faults = environmentFaults(schema, process.env);
  if (faults.length > 0) {
    process.stderr.write(faults.map((fault) => `${fault}\n`).join(""));
    process.exit(exitCodeConfig);
  }
  return schema.parse(withoutBlank(process.env));
}

function withoutBlank(env: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((pair): pair is [string, string] => (pair[1] ?? "").trim() !== ""),
  );
}

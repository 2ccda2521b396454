import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { environmentFaults, environments } from "./config.ts";

const secrets = {
  DATABASE_URL: "postgres://service:hunter2@localhost/metering",
  ADMIN_TOKEN: "operator-token-0123456789abcdefgh",
  STRIPE_WEBHOOK_SECRET: "whsec_hunter2",
  STRIPE_SECRET_KEY: "sk_test_hunter2",
};

test.each([
  ["migrate", ["DATABASE_URL"]],
  ["api", ["DATABASE_URL", "ADMIN_TOKEN", "STRIPE_WEBHOOK_SECRET"]],
  ["worker", ["DATABASE_URL", "STRIPE_SECRET_KEY"]],
] as const)("%s needs %j and nothing else", (program, names) => {
  const faults = environmentFaults(environments[program], {});
  expect(faults).toEqual(names.map((name) => `${name}: is required`));
});

test.each([
  ["api", "HOST", "0.0.0.0"],
  ["api", "PORT", 3000],
  ["api", "READINGS_MAX_AGE_DAYS", 365],
  ["api", "LOG_LEVEL", "info"],
  ["api", "SHUTDOWN_GRACE_SECONDS", 30],
  ["api", "HTTP_CONNECTIONS_MAX", 10_000],
  ["api", "RATE_LIMIT_REQUESTS_PER_SECOND", 0],
  ["api", "RATE_LIMIT_READINGS_PER_SECOND", 0],
  ["worker", "OUTBOX_RETENTION_DAYS", 400],
  ["worker", "WORKER_PORT", 3001],
  ["worker", "STRIPE_API_BASE", "https://api.stripe.com"],
  ["worker", "STRIPE_TIMEOUT_MS", 15_000],
  ["worker", "DELIVERY_CONCURRENCY", 50],
  ["worker", "SEAL_INTERVAL_SECONDS", 30],
  ["worker", "RETRY_BASE_SECONDS", 5],
  ["worker", "RETRY_MAX_SECONDS", 900],
  ["worker", "BILLABLE_STATUSES", ["active", "trialing"]],
  ["worker", "METER_READINGS_EVENT_NAME", "temperature_readings"],
  ["worker", "METER_SENSORS_EVENT_NAME", "active_sensors"],
  ["worker", "LOG_LEVEL", "info"],
  ["worker", "OTEL_TRACES_SAMPLER", "parentbased_always_on"],
  ["worker", "OTEL_TRACES_SAMPLER_ARG", 1],
  ["worker", "SHUTDOWN_GRACE_SECONDS", 30],
] as const)("%s: %s is %j by default", (program, name, value) => {
  expect(environments[program].parse(secrets)).toHaveProperty(name, value);
});

test.each([
  ["api", "DATABASE_URL", "mysql://service:hunter2@localhost/metering"],
  ["api", "DATABASE_URL", "hunter2"],
  ["api", "ADMIN_TOKEN", "hunter2-has-only-31-characters."],
  ["api", "ADMIN_TOKEN", "hunter2-of-the-operator-0123456789\n"],
  ["api", "ADMIN_TOKEN", "hunter2 of the operator 0123456789"],
  ["api", "ADMIN_TOKEN", "hunter2-des-Schlüssels-0123456789"],
  ["api", "DATABASE_URL", " postgres://service:hunter2@localhost/metering"],
  ["api", "DATABASE_URL", "postgres://service:hunter2@localhost/metering "],
  ["api", "DATABASE_URL", "postgres://service:hunter2@one:5432,other:5432/metering"],
  ["api", "DATABASE_URL", "postgres://service:hunter2@one,other/metering"],
  ["api", "DATABASE_URL", "postgres://one,other:5432/metering?password=hunter2"],
  ["api", "DATABASE_URL", "postgres://service:hunter2@localhost/metering?ssl=false"],
  ["api", "DATABASE_URL", "mysql://service:hunter2@/metering?host=/run/postgresql"],
  ["worker", "BILLABLE_STATUSES", ", ,"],
  ["api", "STRIPE_WEBHOOK_SECRET", " , ,"],
  ["api", "PORT", "65536"],
  ["api", "PORT", "hunter2"],
  ["api", "LOG_LEVEL", "hunter2"],
  ["api", "READINGS_MAX_AGE_DAYS", "0"],
  ["api", "HTTP_CONNECTIONS_MAX", "0"],
  ["api", "RATE_LIMIT_REQUESTS_PER_SECOND", "-1"],
  ["api", "RATE_LIMIT_READINGS_PER_SECOND", "0.5"],
  ["api", "OTEL_EXPORTER_OTLP_ENDPOINT", "hunter2:4317"],
  ["api", "OTEL_EXPORTER_OTLP_ENDPOINT", "https://hunter2@collector"],
  ["api", "OTEL_EXPORTER_OTLP_ENDPOINT", "https://:hunter2@collector"],
  ["api", "OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector?key=hunter2"],
  ["api", "OTEL_EXPORTER_OTLP_HEADERS", "hunter2"],
  ["api", "OTEL_EXPORTER_OTLP_HEADERS", "key=hunter2,"],
  ["api", "OTEL_EXPORTER_OTLP_HEADERS", "key=hunter2%0A"],
  ["api", "OTEL_TRACES_SAMPLER", "hunter2"],
  ["api", "OTEL_TRACES_SAMPLER_ARG", "1.5"],
  ["migrate", "READINGS_RETENTION_DAYS", "364"],
  ["api", "READINGS_RETENTION_DAYS", "364"],
  ["worker", "READINGS_RETENTION_DAYS", "364"],
  ["cli", "READINGS_RETENTION_DAYS", "364"],
  ["cliStripe", "READINGS_RETENTION_DAYS", "364"],
  ["worker", "OUTBOX_RETENTION_DAYS", "69"],
  ["api", "ALERT_WEBHOOK_URL", "hunter2"],
  ["worker", "ALERT_WEBHOOK_URL", "hunter2"],
  ["worker", "ALERT_WEBHOOK_URL", "ftp://receiver/hunter2"],
  ["worker", "STRIPE_SECRET_KEY", "pk_test_hunter2"],
  ["worker", "STRIPE_SECRET_KEY", "sk_test_hunter2\nsk_test_other"],
  ["worker", "STRIPE_API_BASE", "https://hunter2@example.com"],
  ["worker", "STRIPE_API_BASE", "https://:hunter2@example.com"],
  ["worker", "STRIPE_API_BASE", "https://example.com/hunter2"],
  ["worker", "STRIPE_MAX_EVENTS_PER_SECOND", "0"],
  ["worker", "STRIPE_MAX_EVENTS_PER_SECOND", "1e-9"],
  ["worker", "STRIPE_MAX_EVENTS_PER_SECOND", "200001"],
  ["worker", "STRIPE_TIMEOUT_MS", "99"],
  ["worker", "DELIVERY_CONCURRENCY", "1.5"],
  ["worker", "SEAL_INTERVAL_SECONDS", "3601"],
  ["worker", "RETRY_MAX_SECONDS", "4"],
  ["worker", "METER_SENSORS_EVENT_NAME", "hunter2".repeat(15)],
] as const)("%s: %s=%j is one fault, which names the variable and not its value", (program, name, value) => {
  const faults = environmentFaults(environments[program], { ...secrets, [name]: value });
  expect(faults).toEqual([expect.stringMatching(new RegExp(`^${name}: (?!.*hunter2)`))]);
});

test("a fault of DATABASE_URL says what is wrong with it", () => {
  const faultOf = (url: string) => environmentFaults(environments.migrate, { DATABASE_URL: url });
  expect(faultOf("postgres://one,other/metering")).toEqual([expect.stringContaining("one host")]);
  expect(faultOf("postgres://localhost/metering?ssl=false")).toEqual([
    expect.stringContaining("sslmode=disable"),
  ]);
  expect(faultOf("mysql://localhost/metering")).toEqual([expect.stringContaining("postgresql://")]);
});

test.each([
  "postgres://service:hunter2@/metering?host=/run/postgresql",
  "postgresql:///metering?host=/run/postgresql",
  "postgres://service:hunter2@%2Frun%2Fpostgresql/metering",
  "postgres://service:hun,ter2@[::1]:5432/metering",
  "postgres://service:hunter2@localhost/metering?ssl=true",
  "postgres://service:hunter2@localhost/metering?sslmode=disable",
])("%s is an address of a database", (url) => {
  expect(environmentFaults(environments.migrate, { DATABASE_URL: url })).toEqual([]);
});

test("every fault is told, not only the first", () => {
  const faults = environmentFaults(environments.api, { PORT: "x", LOG_LEVEL: "x", ADMIN_TOKEN: "x" });
  expect(faults.map((fault) => fault.replace(/:.*/, "")).toSorted()).toEqual([
    "ADMIN_TOKEN",
    "DATABASE_URL",
    "LOG_LEVEL",
    "PORT",
    "STRIPE_WEBHOOK_SECRET",
  ]);
});

test.each(["worker", "cli", "cliStripe"] as const)("%s: two meters have two event names", (program) => {
  const names = { METER_READINGS_EVENT_NAME: "degrees", METER_SENSORS_EVENT_NAME: "degrees" };
  expect(environmentFaults(environments[program], { ...secrets, ...names })).toEqual([
    expect.stringMatching(/^METER_SENSORS_EVENT_NAME: must not be METER_READINGS_EVENT_NAME/),
  ]);
});

test("readings are kept as long as they are accepted, or longer", () => {
  const years = { READINGS_MAX_AGE_DAYS: "730", READINGS_RETENTION_DAYS: "730" };
  expect(environmentFaults(environments.worker, { ...secrets, ...years })).toEqual([]);
  expect(
    environmentFaults(environments.worker, { ...secrets, ...years, READINGS_MAX_AGE_DAYS: "731" }),
  ).toEqual([
    expect.stringMatching(/^READINGS_RETENTION_DAYS: must not be smaller than READINGS_MAX_AGE_DAYS/),
  ]);
});

test("several webhook secrets may be named while one replaces the other", () => {
  const config = environments.api.parse({ ...secrets, STRIPE_WEBHOOK_SECRET: "whsec_old, whsec_new," });
  expect(config.STRIPE_WEBHOOK_SECRET).toEqual(["whsec_old", "whsec_new"]);
});

test("an empty variable counts as unset, and a blank one does", async () => {
  const { stdout } = await readApiConfigIn({ ...secrets, PORT: " ", HOST: "", READINGS_MAX_AGE_DAYS: "\t" });
  expect(JSON.parse(stdout)).toMatchObject({ PORT: 3000, HOST: "0.0.0.0", READINGS_MAX_AGE_DAYS: 365 });
});

test("a bad environment ends the process with exit code 78 and one line for each fault", async () => {
  const faulty = { ...secrets, ADMIN_TOKEN: "hunter2", STRIPE_WEBHOOK_SECRET: "" };
  await expect(readApiConfigIn(faulty)).rejects.toMatchObject({
    code: 78,
    stdout: "",
    stderr: "ADMIN_TOKEN: must have at least 32 characters\nSTRIPE_WEBHOOK_SECRET: is required\n",
  });
});

/** Only a separate process shows how a wrong configuration ends it. */
function readApiConfigIn(env: Record<string, string>): Promise<{ stdout: string }> {
  const config = new URL("config.ts", import.meta.url).href;
  const program = `import { readApiConfig } from "${config}"; process.stdout.write(JSON.stringify(readApiConfig()));`;
  return promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], { env });
}

test.each([
  ["worker", "BILLABLE_STATUSES", "active,hunter2!"],
  ["worker", "BILLABLE_STATUSES", "actve"],
  ["worker", "BILLABLE_STATUSES", "x:"],
  ["api", "STRIPE_WEBHOOK_SECRET", "sk_test_hunter2"],
  ["api", "STRIPE_WEBHOOK_SECRET", "whsec_good,hunter2"],
  ["api", "STRIPE_WEBHOOK_SECRET", "whsec_"],
  ["worker", "STRIPE_SECRET_KEY", "whsec_hunter2"],
  ["worker", "STRIPE_SECRET_KEY", "pk_test_hunter2"],
] as const)("%s: %s=%s is refused, with what is allowed and without the value", (program, name, value) => {
  const faults = environmentFaults(environments[program], { ...secrets, [name]: value });
  const allowed = {
    BILLABLE_STATUSES: "active, canceled, incomplete, incomplete_expired, past_due, paused, trialing, unpaid",
    STRIPE_WEBHOOK_SECRET: "whsec_…",
    STRIPE_SECRET_KEY: "sk_… or rk_…",
  }[name];

  expect(faults).toEqual([expect.stringContaining(allowed)]);
  expect(faults[0]).toMatch(new RegExp(`^${name}: `));
  expect(faults[0]).not.toMatch(/hunter2|actve/);
});

test("a status that Stripe may add is taken behind x:", () => {
  const { BILLABLE_STATUSES: statuses } = environments.worker.parse({
    ...secrets,
    BILLABLE_STATUSES: "active, x:dunning",
  });

  expect(statuses).toEqual(["active", "x:dunning", "dunning"]);
});

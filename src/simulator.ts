import { z } from "zod";
import { createLog } from "./log.ts";
import { startSimulator } from "./simulator/start-simulator.ts";

const environmentSchema = z
  .object({
    PORT: z.coerce.number().int().min(0).max(65_535).default(12_111),
    HOST: z.string().min(1).default("127.0.0.1"),
    SIMULATOR_WEBHOOK_URL: z.url({ protocol: /^https?$/ }).optional(),
    SIMULATOR_WEBHOOK_SECRET: z.string().regex(/^\S+$/).optional(),
  })
  .refine(
    (env) => (env.SIMULATOR_WEBHOOK_URL === undefined) === (env.SIMULATOR_WEBHOOK_SECRET === undefined),
    {
      path: ["SIMULATOR_WEBHOOK_SECRET"],
      message: "SIMULATOR_WEBHOOK_URL and SIMULATOR_WEBHOOK_SECRET go together",
    },
  );

type Environment = z.infer<typeof environmentSchema>;

const EXIT_FAILED = 1;
const EXIT_BAD_CONFIGURATION = 78;

const log = createLog({ level: "info", service: "simulator" });
// An empty variable is one that a compose file passes on without having it.
const given = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ""));
const environment = environmentSchema.safeParse(given);

if (environment.success) {
  await run(environment.data);
} else {
  for (const { path, message } of environment.error.issues) {
    log.error({ event: "bad_configuration", variable: path.join("."), fault: message });
  }
  process.exitCode = EXIT_BAD_CONFIGURATION;
}

async function run(env: Environment): Promise<void> {
  const { PORT: port, HOST: host } = env;
  try {
    const { url, stop } = await startSimulator({ port, host, webhookEndpoints: webhookEndpoints(env) });
    log.info({ event: "simulator_started", url });

    const leave = (signal: NodeJS.Signals) => {
      log.info({ event: "simulator_stopping", signal });
      void stop();
    };
    process.once("SIGTERM", leave);
    process.once("SIGINT", leave);
  } catch (error) {
    // A port that another simulator has taken is the usual reason, and worth a line rather than a stack.
    log.error({ event: "simulator_not_started", port, host, fault: String(error) });
    process.exitCode = EXIT_FAILED;
  }
}

/** One endpoint for everything, so that a demo or a compose file needs no call to register it. */
function webhookEndpoints({ SIMULATOR_WEBHOOK_URL: url, SIMULATOR_WEBHOOK_SECRET: secret }: Environment) {
  if (url === undefined || secret === undefined) return [];
  return [{ url, secrets: [secret], payload: "both" as const }];
}

import { z } from "zod";
import { createLog, type Log } from "../log.ts";
import type { StopSignals } from "../process/stop-signals.ts";
import { startSimulator } from "./start-simulator.ts";

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

const exitFailed = 1;
const exitBadConfiguration = 78;

/** Serves until a signal, and forgets everything then. */
export async function runSimulator(stop: StopSignals): Promise<void> {
  const log = createLog({ level: "info", service: "simulator" });
  const env = readEnvironment(log);
  const { PORT: port, HOST: host } = env;
  try {
    const simulator = await startSimulator({ port, host, webhookEndpoints: webhookEndpoints(env) });
    const stopSignal = stop.takeOver();
    log.info({ event: "simulator_started", url: simulator.url });

    log.info({ event: "simulator_stopping", signal: await stopSignal });
    await simulator.stop();
  } catch (error) {
    // A port that another simulator has taken is the usual reason, and worth a line rather than a stack.
    log.error({ event: "simulator_not_started", port, host, fault: String(error) });
    process.exit(exitFailed);
  }
}

function readEnvironment(log: Log): Environment {
  // An empty variable is one that a compose file passes on without a value.
  const given = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ""));
  const environment = environmentSchema.safeParse(given);
  if (environment.success) return environment.data;
  for (const { path, message } of environment.error.issues) {
    log.error({ event: "bad_configuration", variable: path.join("."), fault: message });
  }
  process.exit(exitBadConfiguration);
}

/** One endpoint for everything, so that a demo or a compose file needs no call to register it. */
function webhookEndpoints({ SIMULATOR_WEBHOOK_URL: url, SIMULATOR_WEBHOOK_SECRET: secret }: Environment) {
  if (url === undefined || secret === undefined) return [];
  return [{ url, secrets: [secret], payload: "both" as const }];
}

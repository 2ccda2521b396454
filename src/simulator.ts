import { z } from "zod";
import { createLog } from "./log.ts";
import { startSimulator } from "./simulator/start-simulator.ts";

const environmentSchema = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(12_111),
  HOST: z.string().min(1).default("127.0.0.1"),
});

const EXIT_FAILED = 1;
const EXIT_BAD_CONFIGURATION = 78;

const log = createLog({ level: "info", service: "simulator" });
const environment = environmentSchema.safeParse(process.env);

if (environment.success) {
  await run(environment.data);
} else {
  for (const { path, message } of environment.error.issues) {
    log.error({ event: "bad_configuration", variable: path.join("."), fault: message });
  }
  process.exitCode = EXIT_BAD_CONFIGURATION;
}

async function run({ PORT: port, HOST: host }: z.infer<typeof environmentSchema>): Promise<void> {
  try {
    const { url, stop } = await startSimulator({ port, host });
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

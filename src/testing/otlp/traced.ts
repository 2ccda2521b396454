import { environments } from "../../config.ts";
import type { LogEvent } from "../../log.ts";
import { startTracing, type Tracing } from "../../tracing/start-tracing.ts";
import { createRecordingLog } from "../processes/recording-log.ts";

/** Traces as an api with this configuration does; `events` are its log events. */
export async function startTraced(
  variables: Record<string, string>,
): Promise<Tracing & { events: LogEvent[] }> {
  const { log, events } = createRecordingLog();
  const config = environments.api.parse({
    DATABASE_URL: "postgres://127.0.0.1/none",
    ADMIN_TOKEN: "operator-token-0123456789abcdefgh",
    STRIPE_WEBHOOK_SECRET: "whsec_none",
    ...variables,
  });
  return { ...(await startTracing(config, { service: "api", log })), events };
}

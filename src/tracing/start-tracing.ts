import type { Log, LogEvent } from "../log.ts";
import { type Tracer, traceFields, untraced } from "./tracer.ts";

/** The standard variables that tracing follows. */
export type TracingConfig = {
  OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined;
  OTEL_EXPORTER_OTLP_HEADERS?: string | undefined;
  OTEL_SERVICE_NAME?: string | undefined;
  OTEL_TRACES_SAMPLER: SamplerName;
  /** Of all traces that begin here, from 0 to 1, for the two samplers by ratio. */
  OTEL_TRACES_SAMPLER_ARG: number;
};

export type SamplerName =
  | "always_on"
  | "always_off"
  | "traceidratio"
  | "parentbased_always_on"
  | "parentbased_always_off"
  | "parentbased_traceidratio";

export type Tracing = {
  tracer: Tracer;
  /** The process's log; while tracing is on its lines name the current span. */
  log: Log;
  /** Sends what is left, for at most `withinMs`; never throws. */
  stop: (withinMs: number) => Promise<void>;
};

/**
 * Begins to record and export spans when OTEL_EXPORTER_OTLP_ENDPOINT names a collector. When it does not, nothing of
 * OpenTelemetry is loaded and every span is an empty object.
 */
export async function startTracing(
  config: TracingConfig,
  { service, log }: { service: "api" | "worker"; log: Log },
): Promise<Tracing> {
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined) return { tracer: untraced, log, stop: async () => {} };
  const { openTelemetry } = await import("./open-telemetry.ts");
  const { tracer, flush } = openTelemetry(config, {
    endpoint,
    name: config.OTEL_SERVICE_NAME ?? `meter-outbox-${service}`,
    onFailure: (error) => log.warn({ event: "tracing_failed", error }),
    onDropped: (message) => log.warn({ event: "tracing_spans_dropped", message }),
  });
  log.info({ event: "tracing_started", endpoint, sampler: config.OTEL_TRACES_SAMPLER });
  return { tracer, log: withCurrentSpan(log, tracer), stop: flush };
}

function withCurrentSpan(log: Log, tracer: Tracer): Log {
  const named = (fields: LogEvent): LogEvent => ({ ...traceFields(tracer.current()), ...fields });
  return {
    debug: (fields) => log.debug(named(fields)),
    info: (fields) => log.info(named(fields)),
    warn: (fields) => log.warn(named(fields)),
    error: (fields) => log.error(named(fields)),
  };
}

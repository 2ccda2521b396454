import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as wait } from "node:timers/promises";
import {
  type Attributes,
  type Context,
  diag,
  DiagLogLevel,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { ExportResultCode, parseKeyPairsIntoRecord, parseTraceParent } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TracerProvider,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace";
import type { SamplerName, TracingConfig } from "./start-tracing.ts";
import type { Span, SpanAttributes, SpanOptions, Tracer } from "./tracer.ts";

/** Spans that wait for the collector at most; what comes on top while it is slow or away is dropped. */
export const queueMax = 2_048;
export const batchMax = 512;
/** Short, since a stopping process may wait for it: the exporter can be neither cancelled nor left behind. */
const exportTimeoutMs = 3_000;
const batchEveryMs = 2_000;
const complainEveryMs = 60_000;

const kinds = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

export type OpenTelemetryOptions = {
  /** The collector's address, to which `/v1/traces` is added. */
  endpoint: string;
  /** The service's name. */
  name: string;
  /** Hears of an export that failed, at most once a minute. */
  onFailure: (error: unknown) => void;
  /** Hears that the queue was full and spans are missing, at most once a minute. */
  onDropped: (message: string) => void;
};

/**
 * Records spans with OpenTelemetry's SDK and sends them in batches. Parents travel as `traceparent`s, inside the
 * process through an AsyncLocalStorage of this tracer's own.
 */
export function openTelemetry(
  config: TracingConfig,
  options: OpenTelemetryOptions,
): { tracer: Tracer; flush: (withinMs: number) => Promise<void> } {
  const exporter = new OTLPTraceExporter({
    url: `${options.endpoint.replace(/\/$/, "")}/v1/traces`,
    headers: parseKeyPairsIntoRecord(config.OTEL_EXPORTER_OTLP_HEADERS),
    timeoutMillis: exportTimeoutMs,
  });
  tellOfDropped(atMostEvery(complainEveryMs, options.onDropped));
  const provider = new TracerProvider({
    resource: defaultResource().merge(resourceFromAttributes({ "service.name": options.name })),
    sampler: samplerOf(config.OTEL_TRACES_SAMPLER, config.OTEL_TRACES_SAMPLER_ARG),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: watched(exporter, atMostEvery(complainEveryMs, options.onFailure)),
        maxQueueSize: queueMax,
        maxExportBatchSize: batchMax,
        scheduledDelayMillis: batchEveryMs,
      }),
    ],
  });
  return {
    tracer: createTracer(provider),
    flush: async (withinMs) => {
      // Its errors are failed exports, which were logged already.
      await Promise.race([provider.shutdown().catch(() => {}), wait(withinMs, undefined, { ref: false })]);
    },
  };
}

function createTracer(provider: TracerProvider): Tracer {
  const recorder = provider.getTracer("meter-outbox");
  const current = new AsyncLocalStorage<Span>();

  function start(name: string, options: SpanOptions = {}): Span {
    const { kind, parent, links = [], attributes = {}, startedAtMs } = options;
    const span = recorder.startSpan(
      name,
      {
        kind: kind === undefined ? SpanKind.INTERNAL : kinds[kind],
        attributes: present(attributes),
        links: links
          .map(parseTraceParent)
          .filter((context) => context !== null)
          .map((context) => ({ context })),
        ...(startedAtMs !== undefined && { startTime: startedAtMs }),
      },
      contextOf(parent ?? current.getStore()?.traceparent),
    );
    const { traceId, spanId, traceFlags } = span.spanContext();
    return {
      traceparent: `00-${traceId}-${spanId}-0${traceFlags & 1}`,
      rename: (newName) => void span.updateName(newName),
      set: (more) => void span.setAttributes(present(more)),
      fail: (type) => void span.setAttribute("error.type", type).setStatus({ code: SpanStatusCode.ERROR }),
      end: () => span.end(),
    };
  }

  return {
    isOn: true,
    start,
    within: (span, work) => current.run(span, work),
    current: () => current.getStore()?.traceparent,
  };
}

function contextOf(traceparent: string | undefined): Context {
  const parent = traceparent === undefined ? null : parseTraceParent(traceparent);
  return parent === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
}

function present(attributes: SpanAttributes): Attributes {
  return Object.fromEntries(
    Object.entries(attributes).filter(
      (pair): pair is [string, string | number | boolean] => pair[1] !== null && pair[1] !== undefined,
    ),
  );
}

function samplerOf(name: SamplerName, ratio: number): Sampler {
  switch (name) {
    case "always_on":
      return new AlwaysOnSampler();
    case "always_off":
      return new AlwaysOffSampler();
    case "traceidratio":
      return new TraceIdRatioBasedSampler(ratio);
    case "parentbased_always_on":
      return new ParentBasedSampler({ root: new AlwaysOnSampler() });
    case "parentbased_always_off":
      return new ParentBasedSampler({ root: new AlwaysOffSampler() });
    case "parentbased_traceidratio":
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) });
  }
}

/** The same exporter, whose failures are logged. The SDK itself does not report them. */
function watched(exporter: SpanExporter, onFailure: (error: unknown) => void): SpanExporter {
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.code !== ExportResultCode.SUCCESS) onFailure(result.error);
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
  };
}

// The SDK says so only here. All else that it says here is left unheard: some of it quotes headers.
function tellOfDropped(onDropped: (message: string) => void): void {
  const warn = (message: string) => {
    if (message.startsWith("Dropped ")) onDropped(message);
  };
  const unheard = () => {};
  diag.setLogger(
    { error: unheard, warn, info: unheard, debug: unheard, verbose: unheard },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
}

function atMostEvery<T>(everyMs: number, tell: (what: T) => void): (what: T) => void {
  let nextAtMs = Number.NEGATIVE_INFINITY;
  return (what) => {
    const nowMs = performance.now();
    if (nowMs < nextAtMs) return;
    nextAtMs = nowMs + everyMs;
    tell(what);
  };
}

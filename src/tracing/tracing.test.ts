import { expect, test, vi } from "vitest";
import { startCollector } from "../testing/otlp/collector.ts";
import { startTraced } from "../testing/otlp/traced.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { until } from "../testing/processes/until.ts";
import { batchMax, queueMax } from "./open-telemetry.ts";
import { startTracing } from "./start-tracing.ts";
import { inSpan, isSampled, untraced } from "./tracer.ts";

const longMs = 20_000;
const sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

const trace = (endpoint: string, variables: Record<string, string> = {}) =>
  startTraced({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...variables });

const failuresOf = (events: readonly { event: string }[]) =>
  events.filter(({ event }) => event === "tracing_failed");

test("without an endpoint nothing is traced, and the log stays as it is", async () => {
  const { log } = createRecordingLog();
  const config = { OTEL_TRACES_SAMPLER: "always_on", OTEL_TRACES_SAMPLER_ARG: 1 } as const;
  expect(await startTracing(config, { service: "api", log })).toMatchObject({ tracer: untraced, log });
  expect(await inSpan(untraced, { name: "seal" }, async (span) => [span.traceparent])).toEqual([undefined]);
});

test("a span arrives with its service, parent, links, attributes and failure", async () => {
  const collector = await startCollector();
  const { tracer, stop } = await trace(`${collector.url}/`, {
    OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20hunter2,x-tenant=acme",
  });

  const options = { name: "deliver", kind: "consumer", parent: sampled, links: [sampled, "none"] } as const;
  const failing = inSpan(
    tracer,
    { ...options, attributes: { meter: "sensors", quantity: 3 } },
    async (span) => {
      span.set({ reason: null, isProbe: true });
      await inSpan(tracer, { name: "request" }, async () => {});
      throw Object.assign(new Error("hunter2"), { code: "ECONNREFUSED" });
    },
  );
  await expect(failing).rejects.toThrow("hunter2");
  await stop(longMs);

  const [request, deliver] = collector.spans();
  expect(deliver).toEqual({
    service: "meter-outbox-api",
    name: "deliver",
    kind: "consumer",
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: expect.stringMatching(/^[\da-f]{16}$/) as unknown,
    parentSpanId: "b7ad6b7169203331",
    attributes: { meter: "sensors", quantity: 3, isProbe: true, "error.type": "ECONNREFUSED" },
    links: ["0af7651916cd43dd8448eb211c80319c b7ad6b7169203331"],
    isError: true,
  });
  expect(request).toMatchObject({ name: "request", parentSpanId: deliver?.spanId, isError: false });
  const [sent] = collector.exports;
  expect(sent?.path).toBe("/v1/traces");
  expect(sent?.headers).toMatchObject({ authorization: "Bearer hunter2", "x-tenant": "acme" });
  expect(sent?.body.includes("hunter2")).toBe(false);
});

test.each(["", "none", `${sampled}-more`, sampled.toUpperCase(), "00-0-0-01"])(
  "a caller's traceparent %j begins a trace of its own",
  async (parent) => {
    const collector = await startCollector();
    const { tracer, stop } = await trace(collector.url, { OTEL_SERVICE_NAME: "gateway" });
    tracer.start("GET", { parent }).end();
    await stop(longMs);
    expect(collector.spans()).toMatchObject([{ service: "gateway", parentSpanId: "" }]);
  },
);

test.each([
  ["always_on", "0", ["root", "of sampled", "of unsampled"]],
  ["always_off", "1", []],
  ["traceidratio", "0", []],
  ["traceidratio", "1", ["root", "of sampled", "of unsampled"]],
  ["parentbased_always_on", "0", ["root", "of sampled"]],
  ["parentbased_always_off", "1", ["of sampled"]],
  ["parentbased_traceidratio", "0", ["of sampled"]],
] as const)(
  "with the sampler %s %s only %j are sent, and below what is not sent nothing is",
  async (...given) => {
    const [OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, names] = given;
    const collector = await startCollector();
    const { tracer, stop } = await trace(collector.url, { OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG });

    const kept: string[] = [];
    for (const [name, parent] of [["root"], ["of sampled", sampled], ["of unsampled", unsampled]] as const) {
      await inSpan(tracer, { name, parent }, async (span) => {
        if (isSampled(span.traceparent)) kept.push(name);
      });
    }
    await stop(longMs);

    expect(collector.spans().map(({ name }) => name)).toEqual(names);
    expect(kept).toEqual(names);
  },
);

test("a line that is logged inside a span names it, and one outside names none", async () => {
  const collector = await startCollector();
  const { tracer, log, events, stop } = await trace(collector.url);

  log.info({ event: "outside" });
  await inSpan(tracer, { name: "seal" }, async () => {
    await Promise.resolve();
    log.warn({ event: "inside" });
  });
  await stop(longMs);

  const [span] = collector.spans();
  expect(events.filter(({ event }) => event.endsWith("side"))).toEqual([
    { event: "outside" },
    { event: "inside", trace_id: span?.traceId, span_id: span?.spanId },
  ]);
});

test("a collector that fails is told of once a minute, without its headers", async () => {
  const clock = vi.spyOn(performance, "now");
  const collector = await startCollector(400);
  const { tracer, events, stop } = await trace(collector.url, { OTEL_EXPORTER_OTLP_HEADERS: "key=hunter2" });
  const failOnce = async () => {
    const before = collector.exports.length;
    for (let n = 0; n < batchMax; n += 1) tracer.start("seal").end();
    await until(() => collector.exports.length > before, { what: "an export" });
    await new Promise((resolve) => setImmediate(resolve));
  };

  await failOnce();
  await failOnce();
  await until(() => failuresOf(events).length > 0, { what: "a failure to be told" });
  const inOneMinute = failuresOf(events).length;
  const now = performance.now();
  clock.mockReturnValue(now + 61_000);
  tracer.start("seal").end();
  await stop(longMs);
  clock.mockRestore();

  expect(inOneMinute).toBe(1);
  expect(failuresOf(events)).toHaveLength(2);
  expect(events.some(({ error }) => String(error).includes("hunter2"))).toBe(false);
});

test("while a collector does not answer, no more than one batch and one queue are kept, and the rest is told of", async () => {
  const collector = await startCollector("never");
  const { tracer, events, stop } = await trace(collector.url);
  const burst = 10_000;

  for (let n = 0; n < burst; n += 1) tracer.start("seal").end();
  await until(() => collector.exports.length > 0, { what: "the first export" });
  collector.answerWith(200);
  await until(() => collector.exports.length > 1, { what: "the collector to be asked again" });
  tracer.start("seal").end();
  await stop(longMs);

  const kept = collector.spans().length;
  expect(kept).toBeLessThanOrEqual(batchMax + queueMax + 1);
  const message = `Dropped ${burst + 1 - kept} spans because maxQueueSize reached`;
  expect(events).toContainEqual({ event: "tracing_spans_dropped", message });
});

test("stopping waits for a collector that does not answer no longer than it may", async () => {
  const collector = await startCollector("never");
  const { tracer, stop } = await trace(collector.url);
  tracer.start("seal").end();
  const stopped = stop(50);
  await until(() => collector.exports.length > 0, { what: "the last export" });
  await expect(stopped).resolves.toBeUndefined();
});

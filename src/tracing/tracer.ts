/** The attributes of a span. Never a payload, a key or a token; null and undefined are left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | null | undefined>>;

export type SpanOptions = {
  /** Which side of a call or queue this is; none for work inside the process. */
  kind?: "server" | "client" | "producer" | "consumer";
  /** A `traceparent` to continue in place of the current span; a malformed one begins a trace of its own. */
  parent?: string | undefined;
  /** `traceparent`s of other spans that led to this one. */
  links?: readonly string[];
  attributes?: SpanAttributes;
  /** Milliseconds since 1970, for what began before it was known to be worth a span. */
  startedAtMs?: number;
};

export type Span = {
  /** Names the span to others as W3C Trace Context does; undefined while tracing is off. */
  readonly traceparent: string | undefined;
  rename: (name: string) => void;
  set: (attributes: SpanAttributes) => void;
  /** Marks the span as failed; `type` is a low-cardinality word such as an error's code, never its message. */
  fail: (type: string) => void;
  end: () => void;
};

/**
 * Records the service's work for a trace backend. Which of the two kinds there is, this one or `untraced`, is decided
 * when the process starts.
 */
export type Tracer = {
  isOn: boolean;
  /** Begins a span below the current one. It is current only inside `within`, and the caller that began it ends it. */
  start: (name: string, options?: SpanOptions) => Span;
  /** Runs work, and all that it awaits, with the span as the current one. */
  within: <T>(span: Span, work: () => T) => T;
  /** The current span's `traceparent`. */
  current: () => string | undefined;
};

const noSpan: Span = { traceparent: undefined, rename() {}, set() {}, fail() {}, end() {} };

/** Records nothing and costs nothing. */
export const untraced: Tracer = {
  isOn: false,
  start: () => noSpan,
  within: (_span, work) => work(),
  current: () => undefined,
};

/** Runs work in a span of its own, which ends with it, and fails with what it throws. */
export async function inSpan<T>(
  tracer: Tracer,
  { name, ...options }: SpanOptions & { name: string },
  work: (span: Span) => Promise<T>,
): Promise<T> {
  if (!tracer.isOn) return work(noSpan);
  const span = tracer.start(name, options);
  try {
    return await tracer.within(span, () => work(span));
  } catch (error) {
    span.fail(errorTypeOf(error));
    throw error;
  } finally {
    span.end();
  }
}

/** An error's code, such as ECONNREFUSED or a Postgres condition, or else its class. Messages may quote data. */
export function errorTypeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}

/** Whether the span that a `traceparent` names is recorded, by the flag that W3C Trace Context gives it. */
export function isSampled(traceparent: string | undefined): traceparent is string {
  return traceparent?.endsWith("-01") === true;
}

/** How a log line names a span. */
export function traceFields(traceparent: string | undefined): { trace_id?: string; span_id?: string } {
  const [, trace_id, span_id] = traceparent?.split("-") ?? [];
  return trace_id === undefined || span_id === undefined ? {} : { trace_id, span_id };
}

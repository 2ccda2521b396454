import { buffersOf, fieldsOf } from "./protobuf.ts";

/** A span as a collector receives it. Ids are in hexadecimal digits. */
export type CollectedSpan = {
  service: string;
  name: string;
  kind: "internal" | "server" | "client" | "producer" | "consumer";
  traceId: string;
  spanId: string;
  /** Empty for the first of its trace. */
  parentSpanId: string;
  attributes: Record<string, string | number | boolean>;
  /** `traceId spanId` of each. */
  links: string[];
  isError: boolean;
};

const kinds = ["internal", "internal", "server", "client", "producer", "consumer"] as const;
const errorCode = 2n;

/** The spans of one ExportTraceServiceRequest; the numbers are those of opentelemetry/proto/trace/v1/trace.proto. */
export function spansOf(request: Buffer): CollectedSpan[] {
  return buffersOf(request, 1).flatMap((resourceSpans) => {
    const [resource = Buffer.alloc(0)] = buffersOf(resourceSpans, 1);
    const service = String(attributesOf(resource, 1)["service.name"]);
    const spans = buffersOf(resourceSpans, 2).flatMap((scopeSpans) => buffersOf(scopeSpans, 2));
    return spans.map((span) => ({ service, ...readSpan(span) }));
  });
}

function readSpan(span: Buffer): Omit<CollectedSpan, "service"> {
  const hex = (number: number, message = span) => buffersOf(message, number)[0]?.toString("hex") ?? "";
  const [status = Buffer.alloc(0)] = buffersOf(span, 15);
  return {
    name: String(buffersOf(span, 5)[0]),
    kind: kinds[Number(valueOf(span, 6))] ?? "internal",
    traceId: hex(1),
    spanId: hex(2),
    parentSpanId: hex(4),
    attributes: attributesOf(span, 9),
    links: buffersOf(span, 13).map((link) => `${hex(1, link)} ${hex(2, link)}`),
    isError: valueOf(status, 3) === errorCode,
  };
}

function valueOf(message: Buffer, number: number): bigint | Buffer | undefined {
  return fieldsOf(message).find((field) => field.number === number)?.value;
}

function attributesOf(message: Buffer, number: number): CollectedSpan["attributes"] {
  const pairs = buffersOf(message, number).map((pair) => {
    const [anyValue = Buffer.alloc(0)] = buffersOf(pair, 2);
    return [String(buffersOf(pair, 1)[0]), readAnyValue(anyValue)] as const;
  });
  return Object.fromEntries(pairs);
}

function readAnyValue(anyValue: Buffer): string | number | boolean {
  const [field] = fieldsOf(anyValue);
  if (field === undefined) return "";
  if (Buffer.isBuffer(field.value))
    return field.number === 4 ? field.value.readDoubleLE() : String(field.value);
  return field.number === 2 ? field.value === 1n : Number(field.value);
}

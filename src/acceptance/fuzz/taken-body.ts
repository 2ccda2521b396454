import { gunzipSync } from "node:zlib";
import type { JsonSchema } from "../../testing/openapi/document.ts";
import type { FuzzRequest } from "./fuzz-request.ts";

type Fits = (schema: JsonSchema, value: unknown) => boolean;

/**
 * A sentence when the service accepted a body, or a part of it, that the document would refuse; else nothing. Readings
 * are judged one by one: the ones that the answer does not reject count as accepted. Only for bodies that are read as
 * JSON or NDJSON.
 */
export function takenFaults(request: FuzzRequest, answer: string, fits: Fits): string[] {
  const { operation, method, headers } = request;
  const schema = operation.requestBody?.content["application/json"]?.schema;
  if (schema === undefined || method !== operation.method) return [];
  const text = textOf(request);
  if (text === undefined || (text === "" && operation.requestBody?.required === false)) return [];
  const type = (headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  // For an event, Stripe's signature is enough.
  const isRead =
    operation.requestBody?.content[type] !== undefined || operation.operationId === "receiveStripeEvent";
  if (!isRead) return [];
  const isLines = type === "application/x-ndjson" && operation.operationId === "postReadings";

  const sent = isLines ? linesOf(text) : parse(text);
  const taken = operation.operationId === "postReadings" ? takenOf(sent, answer) : sent;
  // Lines are answered before it is known whether one of them will be accepted.
  if (isLines && Array.isArray(taken) && taken.length === 0) return [];
  return fits(schema, taken) ? [] : [`taken, but does not fit: ${text.slice(0, 500)}`];
}

/** The text as the service reads it; undefined for a packing that this test does not know. */
function textOf({ headers, body }: FuzzRequest): string | undefined {
  const bytes = Buffer.from(body ?? []);
  const encoding = (headers["content-encoding"] ?? "identity").toLowerCase();
  const decoder = new TextDecoder();
  if (encoding === "identity") return decoder.decode(bytes);
  return encoding === "gzip" ? decoder.decode(gunzipSync(bytes)) : undefined;
}

/** A stand-in for a text that is not JSON; it fits no schema. */
const noJson = Symbol("no JSON");

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return noJson;
  }
}

function linesOf(text: string): unknown[] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map(parse);
}

/** The body without the readings that were rejected. */
function takenOf(sent: unknown, answer: string): unknown {
  const rejected = rejectedIn(answer);
  const taken = (elements: readonly unknown[]) => elements.filter((_, index) => !rejected.has(index));
  if (Array.isArray(sent)) return taken(sent);
  if (typeof sent !== "object" || sent === null || !("readings" in sent)) return sent;
  return Array.isArray(sent.readings) ? { ...sent, readings: taken(sent.readings) } : sent;
}

function rejectedIn(answer: string): Set<number> {
  return new Set(
    [...answer.matchAll(/\{"index":(\d+),"status":"rejected"/g)].map(([, index]) => Number(index)),
  );
}

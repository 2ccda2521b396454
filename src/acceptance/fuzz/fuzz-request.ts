import fc from "fast-check";
import { Stripe } from "stripe";
import type { Operation, Parameter } from "../../testing/openapi/document.ts";
import { fitsNamed, fitsSchema, type Source } from "./fits-schema.ts";

/** A request in parts, so that each can be broken by itself. */
export type FuzzRequest = {
  operation: Operation;
  method: string;
  /** Parameters of the path as they are put into it. */
  segments: Record<string, string>;
  query: [string, string][];
  headers: Record<string, string>;
  body: Uint8Array | undefined;
  /** Signs the body as Stripe does, when it is sent. */
  signedWith: string | undefined;
  token: string | undefined;
};

/** The existing ids and tokens that a request may use. */
export type Known = {
  tokens: { adminToken: string; apiKey: string };
  webhookSecret: string;
  /** The organization of the API key. */
  organizationId: string;
  /** Ids by the path parameter that takes them, such as `/v1/meter-events/{id}`. */
  ids: Readonly<Record<string, readonly string[]>>;
};

/** Requests for a route that fit the document. */
export function fitsOperation(operation: Operation, source: Source, known: Known): fc.Arbitrary<FuzzRequest> {
  const { method, path, parameters, token } = operation;
  const inPath = parameters.filter((parameter) => parameter.in === "path");
  const inQuery = parameters.filter((parameter) => parameter.in === "query" && parameter.name !== "cursor");
  const signed = parameters.some((parameter) => parameter.name === "stripe-signature");
  return fc
    .record({
      segments: fc.record(
        Object.fromEntries(inPath.map((one) => [one.name, fitsSegment(one, path, source, known)])),
      ),
      query: fitsQuery(inQuery, source),
      sent: fitsBody(operation, source),
    })
    .map(({ segments, query, sent }) => ({
      operation,
      method,
      segments,
      query,
      ...sent,
      signedWith: signed ? known.webhookSecret : undefined,
      token: token === undefined ? undefined : known.tokens[token],
    }));
}

function fitsSegment(
  { name, schema }: Parameter,
  path: string,
  source: Source,
  { ids }: Known,
): fc.Arbitrary<string> {
  const prefix = path.slice(0, path.indexOf(`{${name}}`) + name.length + 2);
  // Every URL parser takes dots alone for steps of the path, so they never arrive.
  const fitting = fitsSchema(schema, source)
    .map(String)
    .filter((text) => !/^\.\.?$/.test(text));
  const known = ids[prefix] ?? [];
  const segment =
    known.length === 0 ? fitting : fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...known) }, fitting);
  return segment.map(encodeURIComponent);
}

function fitsQuery(parameters: readonly Parameter[], source: Source): fc.Arbitrary<[string, string][]> {
  const values = Object.fromEntries(
    parameters.map((one) => [one.name, fitsNamed(one.name, one.schema, source).map(String)]),
  );
  const requiredKeys = parameters.filter(({ required }) => required).map(({ name }) => name);
  return fc.record(values, { requiredKeys }).map((query) => Object.entries<string>(query));
}

type Sent = Pick<FuzzRequest, "headers" | "body">;

function fitsBody({ requestBody }: Operation, source: Source): fc.Arbitrary<Sent> {
  const none = fc.constant<Sent>({ headers: {}, body: undefined });
  if (requestBody === undefined) return none;
  const bodies = Object.entries(requestBody.content).map(([type, { schema }]) => {
    const json =
      type === "application/x-ndjson"
        ? linesLike(requestBody.content, source)
        : fitsSchema(schema, source).map((value) => JSON.stringify(value));
    return json.map((text): Sent => ({ headers: { "content-type": type }, body: Buffer.from(text) }));
  });
  return fc.oneof(...bodies, ...(requestBody.required ? [] : [none]));
}

/** Lines like the elements that the same route takes as JSON. */
function linesLike(
  content: NonNullable<Operation["requestBody"]>["content"],
  source: Source,
): fc.Arbitrary<string> {
  const { schema = {} } = content["application/json"] ?? {};
  return fitsSchema(schema, source).map((value) => {
    const elements = Array.isArray(value) ? value : [value];
    return elements.map((element) => `${JSON.stringify(element)}\n`).join("");
  });
}

/** The request as it is sent. */
export function toRequest({
  operation,
  segments,
  query,
  headers,
  body,
  signedWith,
  token,
  method,
}: FuzzRequest): {
  path: string;
  init: RequestInit;
} {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => segments[name] ?? "");
  const search = query.map(([name, value]) => `${name}=${encoded(value)}`).join("&");
  const payload = body === undefined ? "" : Buffer.from(body).toString("utf8");
  return {
    path: search === "" ? path : `${path}?${search}`,
    init: {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(signedWith !== undefined && {
          "stripe-signature": Stripe.webhooks.generateTestHeaderString({ payload, secret: signedWith }),
        }),
        ...headers,
      },
      ...(body !== undefined &&
        !["GET", "HEAD"].includes(method.toUpperCase()) && { body: Buffer.from(body) }),
    },
  };
}

function encoded(value: string): string {
  // A text that is not valid Unicode cannot be encoded; the request then holds the replacement character.
  return encodeURIComponent(value.toWellFormed());
}

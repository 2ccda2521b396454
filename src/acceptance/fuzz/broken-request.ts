import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { encodeCursor } from "../../http/cursor.ts";
import { breakJson, junkText } from "./broken-json.ts";
import type { FuzzRequest } from "./fuzz-request.ts";

type Break = (request: FuzzRequest) => fc.Arbitrary<FuzzRequest>;

/** Tokens that are not valid, or are valid for other routes. */
export type WrongTokens = readonly string[];

/** The request with one to three things wrong with it, or at least unusual. */
export function breakRequest(request: FuzzRequest, wrongTokens: WrongTokens): fc.Arbitrary<FuzzRequest> {
  const breakToken: Break = (one) =>
    fc.constantFrom(undefined, ...wrongTokens).map((token) => ({ ...one, token }));
  // A refused token tests nothing of the route behind it, so wrong tokens are the rarest change.
  const breakDoor: Break = (one) => fc.oneof(breakToken(one), breakMethod(one));
  const ofBody = [breakBody, breakBody, breakBody, breakBytes, breakEncoding, breakType];
  const breaks: Break[] = [
    ...(request.body === undefined ? [addBody] : ofBody),
    ...(Object.keys(request.segments).length > 0 ? [breakSegment] : []),
    ...(request.query.length > 0 ? [breakQuery, breakQuery] : []),
    breakQuery,
    breakHeaders,
    breakDoor,
  ];
  const chosen = fc.array(fc.constantFrom(...breaks), { minLength: 1, maxLength: 3, size: "small" });
  return chosen.chain((list) =>
    list.reduce<fc.Arbitrary<FuzzRequest>>((broken, one) => broken.chain(one), fc.constant(request)),
  );
}

const breakBody: Break = (request) => {
  const text = Buffer.from(request.body ?? []).toString("utf8");
  const lines = text.trimEnd().split("\n");
  return fc.nat({ max: lines.length - 1 }).chain((at) =>
    breakJson(lines[at] ?? "").map((line) => ({
      ...request,
      body: Buffer.from(lines.with(at, line).join("\n")),
    })),
  );
};

const addBody: Break = (request) =>
  fc.oneof(junkText, fc.json()).map((text) => ({
    ...request,
    headers: { ...request.headers, "content-type": "application/json" },
    body: Buffer.from(text),
  }));

const breakBytes: Break = (request) => {
  const body = Buffer.from(request.body ?? []);
  const cut = fc.nat({ max: body.length });
  const inserted = fc.constantFrom(
    "",
    "\0",
    "\u00ff",
    "\u00c3\u0028",
    "\u00ef\u00bb\u00bf",
    "}",
    ",",
    "\n\n",
    "\u001f\u008b",
  );
  return fc
    .oneof(
      cut.map((end) => body.subarray(0, end)),
      fc
        .tuple(cut, inserted)
        .map(([at, text]) =>
          Buffer.concat([body.subarray(0, at), Buffer.from(text, "latin1"), body.subarray(at)]),
        ),
      fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
      fc.constant(Buffer.from(body.toString("utf8"), "utf16le")),
      fc.constant(Buffer.alloc(0)),
    )
    .map((broken) => ({ ...request, body: broken }));
};

const breakEncoding: Break = (request) => {
  const body = Buffer.from(request.body ?? []);
  const packed = gzipSync(body);
  const forms: [string, Uint8Array][] = [
    ["gzip", packed],
    ["gzip", body],
    ["gzip", packed.subarray(0, packed.length / 2)],
    ["gzip", Buffer.concat([packed, Buffer.from("more")])],
    ["gzip", Buffer.alloc(0)],
    ["gzip", gzipSync(packed)],
    ["GZIP", packed],
    ["x-gzip", packed],
    ["gzip, gzip", gzipSync(packed)],
    ["br", body],
    ["deflate", packed],
    ["identity", packed],
    ["", body],
  ];
  return fc.constantFrom(...forms).map(([encoding, bytes]) => ({
    ...request,
    headers: { ...request.headers, "content-encoding": encoding },
    body: bytes,
  }));
};

const breakType: Break = (request) =>
  fc
    .constantFrom(
      "",
      "text/plain",
      "application/jsonx",
      "application/json; charset=utf-16",
      "application/vnd.api+json",
      "APPLICATION/JSON",
      "application/x-ndjson",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "application/json, text/plain",
      ";",
      "*/*",
    )
    .map((type) => ({ ...request, headers: { ...request.headers, "content-type": type } }));

const breakSegment: Break = (request) => {
  const raw = fc.constantFrom(
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f",
    "%00",
    "a%00b",
    "%",
    "%ff",
    "%c3%28",
    "%ed%a0%80",
    "x".repeat(3_000),
    "00000000-0000-0000-0000-000000000000",
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    "018f4e5e-7b1c-7000-8000-00000000000g",
    "%27%20or%201%3D1--",
    "null",
    "-1",
    "1e309",
    "%20",
    "+",
  );
  const segment = fc.oneof(
    raw,
    junkText.map((text) => encodeURIComponent(text.toWellFormed()) || "%20"),
  );
  return fc
    .tuple(fc.constantFrom(...Object.keys(request.segments)), segment)
    .map(([name, value]) => ({ ...request, segments: { ...request.segments, [name]: value } }));
};

const forgedCursor = fc
  .oneof(
    fc.array(
      fc.oneof(
        fc.uuid(),
        fc.constantFrom(
          "a",
          "0000-01-01T00:00:00Z",
          "9999-12-31T23:59:59.999999-23:59",
          "2026-02-30T00:00:00Z",
          "\0",
          "\ud800",
          "infinity",
          "2026-11-20T10:00:00Z",
        ),
        junkText,
      ),
      {
        maxLength: 3,
      },
    ),
    fc.array(fc.jsonValue(), { maxLength: 4 }),
  )
  .map((key) => encodeCursor(key as string[]));

const breakQuery: Break = (request) => {
  const documented = request.operation.parameters.filter((one) => one.in === "query").map(({ name }) => name);
  const name = fc.constantFrom(
    "limit",
    "cursor",
    "unknown",
    "__proto__",
    "limit[]",
    ...documented,
    ...documented,
  );
  const value = fc.oneof(
    fc.constantFrom(
      "-1",
      "0",
      "501",
      "1e3",
      "0x10",
      "NaN",
      "Infinity",
      "",
      " ",
      "\0",
      "true",
      "x".repeat(5_000),
      "null",
    ),
    fc.constantFrom(
      "2026-02-30T00:00:00Z",
      "0000-01-01T00:00:00Z",
      "9999999-01-01T00:00:00Z",
      "2026-11-20T10:00:60Z",
      "2026-11-20T24:00:00Z",
      "0001-01-01T00:00:00+14:00",
      "9999-12-31T23:59:59-12:00",
      "+010000-01-01T00:00:00Z",
    ),
    fc.constantFrom(
      "Europe/Berlin",
      "Mars/Olympus",
      "UTC+25",
      "posixrules",
      "Etc/GMT-14",
      "localtime",
      "Factory",
      "+05:30",
      "+0530",
      "US/Pacific-New",
      "-00:00",
      "EST5EDT",
      "europe/berlin",
      "GMT0",
    ),
    forgedCursor,
    junkText,
  );
  const pair = fc.tuple(name, value);
  return fc
    .oneof(
      pair.map((one): [string, string][] => [...request.query, one]),
      pair.map(([key, text]): [string, string][] => [
        ...request.query.filter(([other]) => other !== key),
        [key, text],
      ]),
      fc.constant(request.query.slice(1)),
    )
    .map((query) => ({ ...request, query }));
};

const breakMethod: Break = (request) =>
  fc
    .constantFrom("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "POST", "GET", "QUERY")
    .map((method) => ({ ...request, method }));

const breakHeaders: Break = (request) => {
  const headers = fc.constantFrom<Record<string, string>>(
    { "x-request-id": "a b" },
    { "x-request-id": "x".repeat(9_000) },
    { "x-request-id": "chosen-1" },
    { "content-length": "99999999999" },
    { "content-length": "-1" },
    { "content-length": "x" },
    { accept: "text/csv" },
    { accept: "application/x-ndjson" },
    { accept: "application/x-ndjson;q=0, */*" },
    { accept: "\u00ff" },
    { authorization: "Basic eDp5" },
    { authorization: "Bearer \u00ff" },
    { "stripe-signature": "t=1,v1=00" },
    { "stripe-signature": "" },
    { "idempotency-key": "1" },
    { "x-http-method-override": "DELETE" },
    { "if-none-match": "*" },
    { range: "bytes=0-1" },
    { expect: "200-maybe" },
  );
  return headers.map((more) => ({ ...request, headers: { ...request.headers, ...more } }));
};

import type { IncomingMessage, ServerResponse } from "node:http";
import { isJsonType } from "./json-content.ts";
import { plainBytesMax, unreadableBody } from "./read-body.ts";
import { securingHeaders } from "./secure-answers.ts";

/** A POST of JSON with nothing special about it; its body has not been read. */
export type PlainPost = {
  authorization: string | undefined;
  requestId: string | undefined;
  /** The length of its body, which Node's HTTP parser holds it to. */
  bytes: number;
};

/** A host that is a part of a URL as it stands, without a look at the rest. */
const plainHost = /^[a-z0-9._-]+(?::(?:[1-5]\d{3,4}|[6-9]\d{3}))?$/;
const plainLength = /^[1-9]\d{0,4}$/;
/** Headers that change how a request or its body is read. */
const special = ["content-encoding", "transfer-encoding", "expect", "upgrade"] as const;

/** The request as a plain POST to the path; undefined when there is the slightest doubt. */
export function readPlainPost(incoming: IncomingMessage, path: string): PlainPost | undefined {
  if (incoming.method !== "POST" || incoming.url !== path || incoming.httpVersion !== "1.1") return undefined;
  const { headers, rawHeaders } = incoming;
  // Of a header that came twice, Node shows one, or both as one.
  if (Object.keys(headers).length * 2 !== rawHeaders.length) return undefined;
  if (special.some((name) => headers[name] !== undefined)) return undefined;
  const { host = "", authorization, "content-length": length = "", "content-type": type } = headers;
  if (!plainHost.test(host) || !plainLength.test(length) || !isJsonType(type)) return undefined;
  const bytes = Number(length);
  if (bytes > plainBytesMax) return undefined;
  const requestId = headers["x-request-id"];
  return { authorization, bytes, requestId: Array.isArray(requestId) ? undefined : requestId };
}

/** Reads the body of a plain POST. Rejects with the 400 `malformed_body` when its client goes away before the end. */
export function readPlainBody(incoming: IncomingMessage, bytes: number): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const pieces: Uint8Array[] = [];
  let missing = bytes;
  incoming.on("data", (piece: Uint8Array) => {
    pieces.push(piece);
    missing -= piece.byteLength;
    if (missing === 0) resolve(pieces.length === 1 ? piece : Buffer.concat(pieces));
  });
  // Every request closes; to make an error of it costs as much as its validation.
  const end = (error?: Error) => {
    if (missing > 0) reject(unreadableBody(error));
  };
  incoming.on("error", end);
  incoming.on("close", end);
  return promise;
}

export type PlainAnswer = {
  status: number;
  contentType: string;
  headers?: Readonly<Record<string, string>> | undefined;
  body: string;
};

const secured = securingHeaders.flat();

/** Writes a whole answer with the headers that every answer has. */
export function writePlainAnswer(
  outgoing: ServerResponse,
  requestId: string,
  { status, contentType, headers, body }: PlainAnswer,
): void {
  const own = headers === undefined ? [] : Object.entries(headers).flat();
  const length = String(Buffer.byteLength(body));
  outgoing.writeHead(status, [
    ...secured,
    "content-type",
    contentType,
    ...own,
    "x-request-id",
    requestId,
    "Content-Length",
    length,
  ]);
  outgoing.end(body);
}

import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { bodyTooLarge } from "./body-too-large.ts";
import { GatheredBytes } from "./gathered-bytes.ts";
import type { Hold } from "./held-bytes.ts";
import { Problem } from "./problem.ts";
import { createTurns, nextTurn } from "./turns.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });
/** Plain bodies up to this length are counted by their announced length, and read without a stream. */
export const plainBytesMax = 65_536;
/** Readings pack to a tenth or a twentieth; only a body that was made for an attack packs to less than this. */
const inflationMax = 100;
/** The ratio is not looked at up to this many bytes. */
const inflationFreeBytes = 65_536;

export type BodyLimits = { bytesMax: number; hold: Hold };

/**
 * Reads a body of at most `bytesMax` bytes, counted after decompression, as text. `gzip` is understood. The bytes are
 * counted in `hold`. Throws the problem to answer: 413 `body_too_large` or `compressed_too_much`, 415
 * `unsupported_encoding`, 400 `malformed_body` when it is no gzip or no UTF-8, 503 `overloaded`.
 */
export async function readBody(request: Request, limits: BodyLimits): Promise<string> {
  const announced = announcedBytes(request);
  if (announced !== undefined && announced > limits.bytesMax) throw bodyTooLarge(limits.bytesMax);
  const bytes = isShortAndPlain(request)
    ? await readAtOnce(request, limits.hold)
    : await readCounting(request, limits);
  return decodeBody(bytes);
}

/** A body as text. Throws the 400 `malformed_body` when it is no UTF-8. */
export function decodeBody(bytes: ArrayBuffer | Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw unreadableBody(error);
  }
}

/** The length that a body announces, packed or not. Node's HTTP parser holds it to that length. */
export function announcedBytes({ headers }: Request): number | undefined {
  const announced = headers.get("content-length");
  return announced === null ? undefined : Number(announced);
}

export function isShortAndPlain(request: Request): boolean {
  const announced = announcedBytes(request);
  return announced !== undefined && announced <= plainBytesMax && !request.headers.has("content-encoding");
}

/** Without a stream, which costs more than everything else about a small request. */
async function readAtOnce(request: Request, hold: Hold): Promise<ArrayBuffer> {
  hold.take(announcedBytes(request) ?? 0);
  try {
    return await request.arrayBuffer();
  } catch (error) {
    throw unreadableBody(error);
  }
}

async function readCounting(request: Request, { bytesMax, hold }: BodyLimits): Promise<Uint8Array> {
  const gathered = new GatheredBytes(hold);
  for await (const chunk of readBodyChunks(request, { bytesMax })) gathered.add(chunk);
  // The work that follows takes long; ten such bodies at once would be one long turn of the event loop.
  await nextTurn();
  return gathered.bytes();
}

/** The same, piece by piece as it arrives, decompressed and not decoded. Gives the event loop back between pieces. */
export async function* readBodyChunks(
  request: Request,
  { bytesMax }: { bytesMax: number },
): AsyncGenerator<Uint8Array> {
  const packed = { bytes: 0 };
  const stream = decompressed(request, packed);
  if (stream === null) return;
  const isPacked = stream !== request.body;
  const takeTurns = createTurns();
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      bytes += chunk.byteLength;
      if (bytes > bytesMax) throw bodyTooLarge(bytesMax);
      if (isPacked && bytes > inflationFreeBytes && bytes > packed.bytes * inflationMax)
        throw tooMuchPacked();
      yield chunk;
      await takeTurns();
    }
  } catch (error) {
    throw error instanceof Problem ? error : unreadableBody(error);
  }
}

/** The 400 for a body that ended early, or is not what it says. */
export function unreadableBody(cause: unknown): Problem {
  const detail = "The body could not be read: it must be whole, UTF-8, and gzip only if it says so.";
  return new Problem({ status: 400, code: "malformed_body", detail }, { cause });
}

function tooMuchPacked(): Problem {
  const detail = `The body unpacks to more than ${inflationMax} times its size. Send it as it is.`;
  return new Problem({ status: 413, code: "compressed_too_much", detail });
}

/** The body unpacked; `packed` tells how many bytes went in so far. */
function decompressed(request: Request, packed: { bytes: number }): AsyncIterable<Uint8Array> | null {
  const encoding = request.headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding === "identity" || request.body === null) return request.body;
  if (encoding === "gzip" || encoding === "x-gzip") {
    return unpack(request.body, packed);
  }
  const detail = "Content-Encoding may be gzip or absent.";
  throw new Problem({ status: 415, code: "unsupported_encoding", detail });
}

/**
 * Not by `DecompressionStream`: when its reader stops early, Node throws `Controller is already closed` where no code
 * can catch it, and the process ends.
 */
function unpack(body: ReadableStream<Uint8Array>, packed: { bytes: number }): AsyncIterable<Uint8Array> {
  const gunzip = createGunzip({ rejectGarbageAfterEnd: true });
  const source = Readable.from(countBytes(body, packed));
  // A stream that fails, or is not wanted any more, ends the other one. The reader of `gunzip` gets the reason.
  source.once("error", (error) => gunzip.destroy(error));
  gunzip.once("close", () => source.destroy());
  return source.pipe(gunzip);
}

async function* countBytes(
  body: ReadableStream<Uint8Array>,
  packed: { bytes: number },
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    packed.bytes += chunk.byteLength;
    yield chunk;
  }
}

import { bodyTooLarge } from "./body-too-large.ts";
import { Problem } from "./problem.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads a body of at most `bytesMax` bytes, counted after decompression, as text. `gzip` is understood. Throws the
 * problem to answer: 413 `body_too_large`, 415 `unsupported_encoding`, 400 `malformed_body` when it is no gzip or no
 * UTF-8.
 */
export async function readBody(request: Request, { bytesMax }: { bytesMax: number }): Promise<string> {
  const bytes = isOfLength(request, bytesMax)
    ? await readAtOnce(request)
    : await readCounting(request, bytesMax);
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw unreadableBody(error);
  }
}

/** A plain body that announces a length within the limit. Node's HTTP parser holds it to that length. */
function isOfLength({ headers }: Request, bytesMax: number): boolean {
  const announced = headers.get("content-length");
  return announced !== null && Number(announced) <= bytesMax && !headers.has("content-encoding");
}

/** Without a stream, which costs more than all else about a small request. */
async function readAtOnce(request: Request): Promise<ArrayBuffer> {
  try {
    return await request.arrayBuffer();
  } catch (error) {
    throw unreadableBody(error);
  }
}

async function readCounting(request: Request, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readBodyChunks(request, { bytesMax })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The same, piece by piece as it arrives, decompressed and not decoded. */
export async function* readBodyChunks(
  request: Request,
  { bytesMax }: { bytesMax: number },
): AsyncGenerator<Uint8Array> {
  const stream = decompressed(request);
  if (stream === null) return;
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      bytes += chunk.byteLength;
      if (bytes > bytesMax) throw bodyTooLarge(bytesMax);
      yield chunk;
    }
  } catch (error) {
    throw error instanceof Problem ? error : unreadableBody(error);
  }
}

function unreadableBody(cause: unknown): Problem {
  const detail = "The body could not be read: it must be whole, UTF-8, and gzip only if it says so.";
  return new Problem({ status: 400, code: "malformed_body", detail }, { cause });
}

function decompressed(request: Request): ReadableStream<Uint8Array> | null {
  const encoding = request.headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding === "identity" || request.body === null) return request.body;
  if (encoding === "gzip" || encoding === "x-gzip") {
    return request.body.pipeThrough(new DecompressionStream("gzip"));
  }
  const detail = "Content-Encoding may be gzip or absent.";
  throw new Problem({ status: 415, code: "unsupported_encoding", detail });
}

import type { MiddlewareHandler } from "hono";
import { bodyTooLarge } from "./body-too-large.ts";
import { readBody } from "./read-body.ts";

export const bodyBytesMax = 1_048_576;

/** Nobody reads a body of theirs. */
const bodiless = new Set(["GET", "HEAD"]);

/**
 * Refuses bodies above 1 MiB: by the length they announce, or else counted as they arrive and unpack. Paths in
 * `except` look after their bodies themselves.
 */
export function limitBodies({ except }: { except: readonly string[] }): MiddlewareHandler {
  return async (c, next) => {
    if (except.includes(c.req.path) || bodiless.has(c.req.method)) return next();
    const announced = c.req.header("content-length");
    if (announced !== undefined && Number(announced) > bodyBytesMax) throw bodyTooLarge(bodyBytesMax);

    // Node's HTTP parser holds a body to the length it announced, so that one needs no counting.
    const isPlain = announced !== undefined && c.req.header("content-encoding") === undefined;
    if (!isPlain && c.req.raw.body !== null) {
      const text = await readBody(c.req.raw, { bytesMax: bodyBytesMax });
      // Bytes, since a string would add a Content-Type to a request that came without.
      c.req.raw = new Request(c.req.raw, { method: c.req.method, body: Buffer.from(text) });
    }
    return next();
  };
}

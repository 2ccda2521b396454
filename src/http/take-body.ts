import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "./app-env.ts";
import { announcedBytes, isShortAndPlain, readBody } from "./read-body.ts";

export const bodyBytesMax = 1_048_576;

/** No route reads a body of these methods. */
const bodiless = new Set(["GET", "HEAD"]);

/**
 * Reads the body of a route, once its caller is known: at most 1 MiB, by its announced length, or else counted as it
 * arrives and unpacks. The bytes always count as held by the process. Routes with other bodies read their own.
 */
export const takeBody: MiddlewareHandler<AppEnv> = async (c, next) => {
  if (bodiless.has(c.req.method)) return next();
  const { hold } = c.var;
  // The route's own reading of it costs least.
  if (isShortAndPlain(c.req.raw)) hold.take(announcedBytes(c.req.raw) ?? 0);
  else if (c.req.raw.body !== null) {
    const text = await readBody(c.req.raw, { bytesMax: bodyBytesMax, hold });
    // As bytes: a string would add a Content-Type to a request that came without one.
    c.req.raw = new Request(c.req.raw, { method: c.req.method, body: Buffer.from(text) });
  }
  return next();
};

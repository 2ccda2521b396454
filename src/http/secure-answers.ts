import type { MiddlewareHandler } from "hono";

/**
 * Headers of every answer, unless the route has set its own. An answer that is no page may make a browser load and run
 * nothing; answers hold keys, measurements and bills, so none of them belongs in a cache, and no site may read them or
 * guess their type. The proxy that ends TLS in front of the process sets Strict-Transport-Security.
 */
export const securingHeaders = [
  ["cache-control", "no-store"],
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'"],
  ["cross-origin-resource-policy", "same-origin"],
  ["referrer-policy", "no-referrer"],
  ["x-content-type-options", "nosniff"],
] as const;

/** Gives every answer headers that forbid caching and content sniffing. A header that the route has set stays. */
export function secureAnswers(): MiddlewareHandler {
  return async (c, next) => {
    await next();
    const { headers } = c.res;
    for (const [name, value] of securingHeaders) if (!headers.has(name)) headers.set(name, value);
  };
}

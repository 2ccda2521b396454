import type { MiddlewareHandler } from "hono";
import { secureHeaders } from "hono/secure-headers";

/** What a browser may do with an answer that is no page: nothing. */
const noContent = { defaultSrc: ["'none'"], frameAncestors: ["'none'"] };

/**
 * Gives every answer the headers that keep browsers and caches from doing more with it than reading it. A header that
 * the route has set stays. Strict-Transport-Security is left to whoever ends TLS in front of the process.
 */
export function secureAnswers(): MiddlewareHandler {
  const addHeaders = secureHeaders({
    contentSecurityPolicy: noContent,
    xContentTypeOptions: true,
    referrerPolicy: true,
    crossOriginResourcePolicy: true,
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    strictTransportSecurity: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xFrameOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
    overwrite: false,
  });
  return async (c, next) => {
    await addHeaders(c, next);
    // Answers hold keys, measurements and bills: none of them belongs in a cache.
    if (!c.res.headers.has("Cache-Control")) c.res.headers.set("Cache-Control", "no-store");
  };
}

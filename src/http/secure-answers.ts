import type { MiddlewareHandler } from "hono";
import { secureHeaders } from "hono/secure-headers";

/** The policy of an answer that is no page: a browser may load and run nothing. */
const noContent = { defaultSrc: ["'none'"], frameAncestors: ["'none'"] };

/**
 * Gives every answer headers that forbid caching and content sniffing. A header that the route has set stays. The proxy
 * that ends TLS in front of the process sets Strict-Transport-Security.
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

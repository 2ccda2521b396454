import type { MiddlewareHandler } from "hono";
import { inSpan, type Tracer } from "../tracing/tracer.ts";
import type { AppEnv } from "./app-env.ts";
import { probes, routeOf } from "./request-log.ts";

/** Methods of RFC 9110; a caller's invented method would be a span name of its own in every backend. */
const knownMethods = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]);

/**
 * Records one span for each request, which continues the caller's trace if it sends a `traceparent`. The span has the
 * route's pattern, never the path or a query string: callers may put anything there.
 */
export function traceRequests(tracer: Tracer): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (probes.has(c.req.path)) return next();
    const method = knownMethods.has(c.req.method) ? c.req.method : "_OTHER";
    const parent = c.req.header("traceparent");
    const attributes = { "http.request.method": method };
    await inSpan(tracer, { name: method, kind: "server", parent, attributes }, async (span) => {
      await next();
      const route = routeOf(c);
      if (route !== undefined) span.rename(`${method} ${route}`);
      span.set({
        "http.route": route,
        "http.response.status_code": c.res.status,
        "meter_outbox.request_id": c.get("requestId"),
        "meter_outbox.organization_id": c.get("organizationId"),
      });
      if (c.res.status >= 500) span.fail(String(c.res.status));
    });
  };
}

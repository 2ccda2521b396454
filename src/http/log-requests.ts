import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "./app-env.ts";
import { type RequestLog, routeOf } from "./request-log.ts";

/** Gives every request an id and every answer the header that names it; then tells of it. */
export function logRequests({ requestIdFor, tell }: RequestLog): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const startedAtMs = performance.now();
    const requestId = requestIdFor(c.req.header("x-request-id"));
    c.set("requestId", requestId);
    await next();
    c.res.headers.set("X-Request-Id", requestId);
    const { method, path } = c.req;
    const organizationId = c.get("organizationId");
    tell({ method, path, route: routeOf(c), status: c.res.status, startedAtMs, requestId, organizationId });
  };
}

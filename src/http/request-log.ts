import { randomUUID } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import type { Log } from "../log.ts";
import type { AppEnv } from "./app-env.ts";

const saneRequestId = /^[\w.:=-]{1,128}$/;
const loggedPathLengthMax = 300;
/** Asked every few seconds by machines. */
const probes = new Set(["/healthz", "/readyz", "/metrics"]);

/**
 * Gives every request an id, the caller's own if it is a sane one, and every answer the header that names it; then
 * logs one line. Never a query string, a header or a body: those hold keys and measurements.
 */
export function logRequests({ log }: { log: Log }): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const startedAt = performance.now();
    const asked = c.req.header("x-request-id");
    const requestId = asked !== undefined && saneRequestId.test(asked) ? asked : randomUUID();
    c.set("requestId", requestId);
    await next();
    c.res.headers.set("X-Request-Id", requestId);
    const organizationId = c.get("organizationId");
    log[probes.has(c.req.path) ? "debug" : "info"]({
      event: "http_request",
      method: c.req.method,
      path: c.req.path.slice(0, loggedPathLengthMax),
      status: c.res.status,
      duration_ms: Math.round((performance.now() - startedAt) * 10) / 10,
      request_id: requestId,
      ...(organizationId !== undefined && { organization_id: organizationId }),
    });
  };
}

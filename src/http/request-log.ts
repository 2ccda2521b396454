import { randomUUID } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { Log } from "../log.ts";
import type { AppEnv } from "./app-env.ts";
import { type LooksSecret, redactPath } from "./redact.ts";

const saneRequestId = /^[\w.:=-]{1,128}$/;
const loggedPathLengthMax = 300;
/** Machines ask these every few seconds, also while nothing else works. */
export const probes = new Set(["/healthz", "/readyz", "/metrics"]);

export type AnsweredRequest = {
  method: string;
  /** The pattern, such as `/v1/meter-events/:id`; undefined when no route took the request. */
  route: string | undefined;
  status: number;
  durationMs: number;
};

export type RequestWatch = (request: AnsweredRequest) => void;

/**
 * Gives every request an id, the caller's own if it is well-formed and no secret, and every answer the header that
 * names it; then logs one line. Never a query string, a header or a body: those hold keys and measurements.
 */
export function logRequests({
  log,
  onAnswered,
  looksSecret,
}: {
  log: Log;
  onAnswered?: RequestWatch | undefined;
  looksSecret: LooksSecret;
}): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const startedAt = performance.now();
    const asked = c.req.header("x-request-id");
    const isUsable = asked !== undefined && saneRequestId.test(asked) && !looksSecret(asked);
    const requestId = isUsable ? asked : randomUUID();
    c.set("requestId", requestId);
    await next();
    c.res.headers.set("X-Request-Id", requestId);
    const organizationId = c.get("organizationId");
    const durationMs = performance.now() - startedAt;
    onAnswered?.({ method: c.req.method, route: routeOf(c), status: c.res.status, durationMs });
    log[probes.has(c.req.path) ? "debug" : "info"]({
      event: "http_request",
      method: c.req.method,
      path: redactPath(c.req.path, looksSecret).slice(0, loggedPathLengthMax),
      status: c.res.status,
      duration_ms: Math.round(durationMs * 10) / 10,
      request_id: requestId,
      ...(organizationId !== undefined && { organization_id: organizationId }),
    });
  };
}

/** The last match is the route itself; middleware matches every path. */
export function routeOf(c: Context): string | undefined {
  const route = routePath(c, -1);
  return route === "" || route.endsWith("*") ? undefined : route;
}

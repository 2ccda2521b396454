import { randomUUID } from "node:crypto";
import type { Context } from "hono";
import { matchedRoutes } from "hono/route";
import type { Log } from "../log.ts";
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

/** A request that was answered, as the log and the metrics tell of it. */
type ToldRequest = {
  method: string;
  path: string;
  route: string | undefined;
  status: number;
  startedAtMs: number;
  requestId: string;
  organizationId: string | undefined;
};

export type RequestLog = {
  /** The caller's own id, if it is well-formed and no secret; or else a new one. */
  requestIdFor: (asked: string | undefined) => string;
  /** Counts the request and logs one line. Never a query string, a header or a body: those hold keys and measurements. */
  tell: (request: ToldRequest) => void;
};

type RequestLogDeps = { log: Log; onAnswered?: RequestWatch | undefined; looksSecret: LooksSecret };

export function createRequestLog({ log, onAnswered, looksSecret }: RequestLogDeps): RequestLog {
  return {
    requestIdFor: (asked) =>
      asked !== undefined && saneRequestId.test(asked) && !looksSecret(asked) ? asked : randomUUID(),
    tell: ({ method, path, route, status, startedAtMs, requestId, organizationId }) => {
      const durationMs = performance.now() - startedAtMs;
      onAnswered?.({ method, route, status, durationMs });
      log[probes.has(path) ? "debug" : "info"]({
        event: "http_request",
        method,
        path: redactPath(path, looksSecret).slice(0, loggedPathLengthMax),
        status,
        duration_ms: Math.round(durationMs * 10) / 10,
        request_id: requestId,
        ...(organizationId !== undefined && { organization_id: organizationId }),
      });
    },
  };
}

/** The last match that is not for every path: middleware is, and so is the page that says that there is no such page. */
export function routeOf(c: Context): string | undefined {
  return matchedRoutes(c).findLast(({ path }) => path !== "" && !path.endsWith("*"))?.path;
}

import { OpenAPIHono } from "@hono/zod-openapi";
import { methodNotAllowed } from "hono/method-not-allowed";
import type { Log } from "../log.ts";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import type { AppEnv } from "./app-env.ts";
import { limitBodies } from "./body-limit.ts";
import { problemOf } from "./failure.ts";
import { invalidRequest } from "./input-errors.ts";
import { notFound, Problem, problemResponse } from "./problem.ts";
import { logRequests, type RequestWatch } from "./request-log.ts";
import { traceRequests } from "./request-trace.ts";
import { secureAnswers } from "./secure-answers.ts";

export type App = OpenAPIHono<AppEnv>;

export type AppOptions = {
  log: Log;
  /** Exact paths whose routes read and limit the body themselves. */
  ownBodyLimit?: readonly string[];
  /** Is told of every answer, for metrics. */
  onAnswered?: RequestWatch;
  tracer?: Tracer;
};

/**
 * An application without routes that already keeps the promises made for every answer: X-Request-Id, headers against
 * browsers' and caches' zeal, one log line, problem+json for all failures, a limit for bodies.
 */
export function createApp({ log, ownBodyLimit = [], onAnswered, tracer = untraced }: AppOptions): App {
  const app: App = new OpenAPIHono<AppEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(result.target, result.error.issues);
    },
  });
  const bearer = { type: "http" as const, scheme: "bearer" };
  app.openAPIRegistry.registerComponent("securitySchemes", "adminToken", bearer);
  app.openAPIRegistry.registerComponent("securitySchemes", "apiKey", bearer);
  // First of all, so that the request's log lines name its span.
  if (tracer.isOn) app.use(traceRequests(tracer));
  app.use(logRequests({ log, onAnswered }));
  app.use(secureAnswers());
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => problemResponse(wrongMethod(methods), c.get("requestId")),
    }),
  );
  app.use(limitBodies({ except: ownBodyLimit }));
  app.notFound((c) => problemResponse(notFound("resource"), c.get("requestId")));
  app.onError((error, c) => {
    const problem = problemOf(error);
    const { status, code } = problem.fields;
    const requestId = c.get("requestId");
    if (status >= 500) {
      log.error({
        event: "http_request_failed",
        code,
        request_id: requestId,
        error: problem.cause ?? problem,
      });
    }
    return problemResponse(problem, requestId);
  });
  return app;
}

function wrongMethod(methods: string[]): Problem {
  const allow = methods.join(", ");
  const detail = `This resource takes ${allow} only.`;
  return new Problem({ status: 405, code: "method_not_allowed", detail, headers: { allow } });
}

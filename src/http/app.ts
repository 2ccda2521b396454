import { OpenAPIHono } from "@hono/zod-openapi";
import { methodNotAllowed } from "hono/method-not-allowed";
import type { Log } from "../log.ts";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import type { AnswerParts, App, AppEnv } from "./app-env.ts";
import { problemOf } from "./failure.ts";
import { HeldBytes } from "./held-bytes.ts";
import { holdBytes } from "./hold-bytes.ts";
import { invalidRequest } from "./input-errors.ts";
import { refuseUnknownQueryOfOpenRoutes } from "./known-query.ts";
import { logFailure } from "./log-failure.ts";
import { notFound, Problem, problemResponse } from "./problem.ts";
import { createSecretTest } from "./redact.ts";
import { logRequests } from "./log-requests.ts";
import { createRequestLog, type RequestWatch } from "./request-log.ts";
import { thinOut } from "./thin-log.ts";
import { traceRequests } from "./request-trace.ts";
import { secureAnswers } from "./secure-answers.ts";

export type AppOptions = {
  log: Log;
  /** The problem document for errors that HTTP and the database do not know. */
  problemOf?: (error: unknown) => Problem;
  /** The bytes that the process holds for its clients; an object of the app's own when left out. */
  held?: HeldBytes;
  /** Further texts that must not reach the log or a trace; texts with the form of a key never do. */
  secrets?: readonly string[];
  /** Called with every answer, for metrics. */
  onAnswered?: RequestWatch;
  tracer?: Tracer;
};

/**
 * An application without routes that already keeps the promises made for every answer: X-Request-Id, headers that
 * forbid caching and content sniffing, one log line, problem+json for all failures, a bound on the bytes that are held,
 * and no query parameter that the route does not name.
 */
export function createApp(options: AppOptions): App {
  const { tracer = untraced } = options;
  const parts = createAnswerParts(options);
  const hono = new OpenAPIHono<AppEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(result.target, result.error.issues);
    },
  });
  const app: App = Object.assign(hono, { parts });
  const bearer = { type: "http" as const, scheme: "bearer" };
  app.openAPIRegistry.registerComponent("securitySchemes", "adminToken", {
    ...bearer,
    description: "The operator's token, `ADMIN_TOKEN` of the API's environment.",
  });
  app.openAPIRegistry.registerComponent("securitySchemes", "apiKey", {
    ...bearer,
    description: "An organization's API key, `mo_…`.",
  });
  // First of all, so that the request's log lines name its span.
  if (tracer.isOn) app.use(traceRequests(tracer));
  app.use(logRequests(parts.requestLog));
  app.use(secureAnswers());
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => problemResponse(wrongMethod(methods), c.get("requestId")),
    }),
  );
  app.use(holdBytes(parts.held));
  app.use(refuseUnknownQueryOfOpenRoutes(app));
  app.notFound((c) => problemResponse(notFound("resource"), c.get("requestId")));
  app.onError((error, c) => {
    const requestId = c.get("requestId");
    return problemResponse(parts.problemOf(error, requestId), requestId);
  });
  return app;
}

function createAnswerParts(options: AppOptions): AnswerParts {
  const { held = new HeldBytes(), secrets = [], onAnswered, tracer = untraced } = options;
  const toProblem = options.problemOf ?? problemOf;
  const log = thinOut(options.log);
  return {
    requestLog: createRequestLog({ log, onAnswered, looksSecret: createSecretTest(secrets) }),
    held,
    problemOf: (error, requestId) => {
      const problem = toProblem(error);
      logFailure(log, problem, requestId);
      return problem;
    },
    isTraced: tracer.isOn,
  };
}

function wrongMethod(methods: string[]): Problem {
  const allow = methods.join(", ");
  const detail = `This resource takes ${allow} only.`;
  return new Problem({ status: 405, code: "method_not_allowed", detail, headers: { allow } });
}

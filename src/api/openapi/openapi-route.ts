import { createRoute, z } from "@hono/zod-openapi";
import type { App } from "../../http/app-env.ts";
import { probes } from "../../http/request-log.ts";
import { renderDocument } from "./openapi-page.ts";
import { servePageFiles } from "./page-files.ts";

const info = {
  title: "meter-outbox",
  version: "0.1.0",
  description:
    "Metered usage to Stripe without losing it and without billing it twice. Failures are application/problem+json (RFC 9457); every answer carries X-Request-Id.",
};

/** The page loads files of this process only, and asks this process only. swagger-ui's icons are in its style sheet. */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const documentRoute = createRoute({
  method: "get",
  path: "/openapi.json",
  operationId: "getDocument",
  summary: "This document",
  tags: ["Operation"],
  responses: {
    200: {
      description: "OpenAPI 3.1",
      content: { "application/json": { schema: z.looseObject({ openapi: z.string() }) } },
    },
  },
});
const pageRoute = createRoute({
  method: "get",
  path: "/docs",
  operationId: "getDocs",
  summary: "This document, to read and to try",
  tags: ["Operation"],
  responses: { 200: { description: "A page", content: { "text/html": { schema: z.string() } } } },
});

const requestIdHeader = {
  required: true,
  description: "the request's own X-Request-Id if it was a sane one; the log names it too",
  schema: { type: "string" as const },
};

/** Adds `/openapi.json`, made from the schemas that validate, and `/docs`, the same to read. Mounted last. */
export function mountOpenApi(app: App): void {
  app.openAPIRegistry.registerPath(documentRoute);
  app.openAPIRegistry.registerPath(pageRoute);
  let made: ReturnType<typeof makeDocument> | undefined;
  const document = () => (made ??= makeDocument(app));
  app.get(documentRoute.path, (c) => c.json(document()));
  const files = servePageFiles(app);
  app.get(pageRoute.path, async (c) =>
    c.html(renderDocument(document(), await files()), 200, { "content-security-policy": pagePolicy }),
  );
}

/** The answers that every route may give; a route with a more special meaning describes it itself. */
function everywhere(path: string) {
  const problem = (description: string) => ({
    description,
    content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
  });
  const retryAfter = { required: true, description: "seconds to wait", schema: { type: "string" as const } };
  return {
    400: problem("A parameter that the route does not know"),
    ...(!probes.has(path) && {
      503: {
        ...problem("The process holds as much for its clients as it may"),
        headers: { "Retry-After": retryAfter },
      },
    }),
  };
}

function makeDocument(app: App) {
  app.openAPIRegistry.registerComponent("headers", "RequestId", requestIdHeader);
  const document = app.getOpenAPI31Document({ openapi: "3.1.0", info });
  for (const [path, { get, put, post, patch, delete: remove }] of Object.entries(document.paths ?? {})) {
    for (const operation of [get, put, post, patch, remove]) {
      if (operation === undefined) continue;
      operation.responses = { ...everywhere(path), ...operation.responses };
      for (const response of Object.values(operation.responses)) {
        if ("$ref" in response) continue;
        response.headers = {
          ...response.headers,
          "X-Request-Id": { $ref: "#/components/headers/RequestId" },
        };
      }
    }
  }
  return document;
}

import type { App } from "../http/app.ts";
import { renderDocument } from "./openapi-page.ts";

const info = {
  title: "meter-outbox",
  version: "0.1.0",
  description:
    "Metered usage to Stripe without losing it and without billing it twice. Failures are application/problem+json (RFC 9457); every answer carries X-Request-Id.",
};

/** The page needs nothing but itself. */
const pageHeaders = {
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/** Adds `/openapi.json`, made from the schemas that validate, and `/docs`, the same to read. Mounted last. */
export function mountOpenApi(app: App): void {
  let made: ReturnType<App["getOpenAPI31Document"]> | undefined;
  const document = () => (made ??= app.getOpenAPI31Document({ openapi: "3.1.0", info }));
  app.get("/openapi.json", (c) => c.json(document()));
  app.get("/docs", (c) => c.html(renderDocument(document()), 200, pageHeaders));
}

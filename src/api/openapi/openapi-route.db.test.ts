import { createHash } from "node:crypto";
import { expect } from "vitest";
import { z } from "zod";
import { apiTest as test } from "../../testing/fixtures/api-fixture.ts";

/** The routes that clients may rely on. */
const promised = [
  "get /healthz",
  "get /readyz",
  "post /v1/organizations",
  "get /v1/organizations",
  "get /v1/organizations/{id}",
  "put /v1/organizations/{id}/subscription",
  "post /v1/organizations/{id}/api-keys",
  "get /v1/organizations/{id}/api-keys",
  "delete /v1/organizations/{id}/api-keys/{key_id}",
  "put /v1/sensors/{sensor_id}",
  "get /v1/sensors/{sensor_id}",
  "post /v1/sensors",
  "get /v1/sensors",
  "post /v1/readings",
  "get /v1/readings",
  "get /v1/usage",
  "get /v1/outbox",
  "post /v1/outbox/seal",
  "get /v1/meter-events",
  "get /v1/meter-events/{id}",
  "post /v1/meter-events/{id}/retry",
  "post /v1/meter-events/retry",
  "post /v1/meter-events/{id}/resolve",
  "post /v1/delivery/pause",
  "post /v1/delivery/resume",
  "post /webhooks/stripe",
  "get /v1/stripe-events",
  "post /v1/stripe-events/{id}/dismiss",
  "post /v1/stripe-events/{id}/replay",
];

const documentSchema = z.looseObject({
  openapi: z.string(),
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({ summary: z.string(), responses: z.record(z.string(), z.unknown()) }),
    ),
  ),
});

test("the document is OpenAPI 3.1 and has every route that others rely on", async ({ api }) => {
  const { status, body } = await api.ask("GET", "/openapi.json");

  expect(status).toBe(200);
  const { openapi, paths } = documentSchema.parse(body);
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  expect(openapi).toBe("3.1.0");
  expect(routes).toEqual(expect.arrayContaining(promised));
});

test("every route of the document exists, and refuses a request without a token as it says", async ({
  api,
}) => {
  const { body } = await api.ask("GET", "/openapi.json");
  const id = "01a1fd84-aad0-7fd8-87c3-956ea5c0f2ee";

  for (const [path, methods] of Object.entries(documentSchema.parse(body).paths)) {
    for (const [method, { responses }] of Object.entries(methods)) {
      const { status } = await api.askText(method.toUpperCase(), path.replaceAll(/\{\w+\}/g, id));
      expect(Object.keys(responses), `${method} ${path}`).toContain(String(status));
    }
  }
});

test("the page reads without anything from outside", async ({ api }) => {
  const { status, headers, text } = await api.askText("GET", "/docs");

  expect(status).toBe(200);
  expect(headers.get("content-security-policy")).toContain("default-src 'none'");
  expect(text).toContain("POST /v1/readings");
  expect(text).not.toMatch(/(?:src|href)="(?!\/openapi\.json|#)/);
  expect(text).not.toMatch(/<script|\sstyle=|\son\w+=/);
});

test("the page's policy lets in its own style sheet, and nothing else", async ({ api }) => {
  const { headers, text } = await api.askText("GET", "/docs");
  const styles = [...text.matchAll(/<style>(.*?)<\/style>/gs)].map(([, style = ""]) => style);
  const hashes = styles.map((style) => `'sha256-${createHash("sha256").update(style).digest("base64")}'`);
  expect(hashes).toHaveLength(1);
  expect(headers.get("content-security-policy")).toBe(
    `default-src 'none'; style-src ${hashes[0]}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  );
});

test("every link of the page leads to a place on it", async ({ api }) => {
  const { text } = await api.askText("GET", "/docs");
  const idsIn = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, id]) => id);
  const ids = idsIn(/ id="([^"]+)"/g);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toEqual(expect.arrayContaining(idsIn(/href="#([^"]+)"/g)));
});

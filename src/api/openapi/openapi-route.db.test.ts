import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
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
  "post /v1/meter-events/resolve",
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
  expect(text).toContain("POST /v1/readings");
  const ownFile = String.raw`/docs/assets/\w+\.[0-9a-f]{16}\.(?:js|css)"`;
  expect(text).not.toMatch(new RegExp(`(?:src|href)="(?!/openapi\\.json"|#|data:,"|${ownFile})`));
  expect(text).not.toMatch(/<script>|<style|\sstyle=|\son\w+=/);
  expect(headers.get("content-security-policy")).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
});

test("the page's files are cached for ever under names made of their bytes, and packed for browsers", async ({
  api,
}) => {
  const { text } = await api.askText("GET", "/docs");
  const paths = [...text.matchAll(/(?:src|href)="(\/docs\/assets\/[^"]+)"/g)].map(([, path = ""]) => path);
  expect(paths).toHaveLength(4);
  for (const path of paths) {
    const plain = await api.app.request(path);
    const packed = await api.app.request(path, { headers: { "accept-encoding": "gzip, br" } });
    expect(plain.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(plain.headers.get("content-encoding")).toBeNull();
    expect(packed.headers.get("content-encoding")).toBe("gzip");
    const bytes = Buffer.from(await plain.arrayBuffer());
    expect(path).toContain(createHash("sha256").update(bytes).digest("hex").slice(0, 16));
    expect(gunzipSync(await packed.arrayBuffer()).equals(bytes), path).toBe(true);
    const refused = await api.app.request(path, { headers: { "accept-encoding": "gzip;q=0" } });
    expect(refused.headers.get("content-encoding")).toBeNull();
  }
  const stale = paths[0]?.replace(/[0-9a-f]{16}/, "0".repeat(16)) ?? "";
  expect((await api.app.request(stale)).status).toBe(404);
});

test("every link of the page leads to a place on it", async ({ api }) => {
  const { text } = await api.askText("GET", "/docs");
  const idsIn = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, id]) => id);
  const ids = idsIn(/ id="([^"]+)"/g);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toEqual(expect.arrayContaining(idsIn(/href="#([^"]+)"/g)));
});

import { expect } from "vitest";
import { apiTest } from "../../testing/fixtures/api-fixture.ts";
import { documentSchema, type JsonSchema, operationsOf } from "../../testing/openapi/document.ts";
import { createValidators } from "../../testing/openapi/schema-validators.ts";

const test = apiTest.extend("document", async ({ api }) => {
  const { body } = await api.ask("GET", "/openapi.json");
  const document = documentSchema.parse(body);
  return { ...document, operations: operationsOf(document) };
});

test("every schema is valid, and every reference leads somewhere", ({ document }) => {
  const faultsOf = createValidators(document);
  for (const { schema } of placesOf(document)) expect(() => faultsOf(schema)("")).not.toThrow();

  const text = JSON.stringify(document);
  const targets = [...text.matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)];
  for (const [, kind, name] of targets)
    expect(document.components).toHaveProperty([String(kind), String(name)]);
  expect(targets).not.toEqual([]);
  expect(text.match(/"\$ref"/g)).toHaveLength(targets.length);
});

test("every example fits its schema", ({ document }) => {
  const faultsOf = createValidators(document);
  const examples = placesOf(document).flatMap(({ schema }) => withExamples(schema));

  for (const schema of examples) expect(faultsOf(schema)(schema["example"])).toEqual([]);
  expect(examples).not.toEqual([]);
});

test("every route has a name of its own", ({ document: { operations } }) => {
  const names = operations.map(({ operationId }) => operationId);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

test("every parameter in a path is declared, and none besides", ({ document: { operations } }) => {
  for (const { path, parameters, operationId } of operations) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const declared = parameters.filter((parameter) => parameter.in === "path");
    expect(
      declared.map(({ name }) => name),
      operationId,
    ).toEqual(inPath);
    expect(
      declared.every(({ required }) => required),
      operationId,
    ).toBe(true);
  }
});

test("every token that a route asks for is described, and only probes, pages and Stripe's webhook need none", ({
  document: { operations, components },
}) => {
  const open = operations.filter(({ token }) => token === undefined).map(({ path }) => path);
  expect(open.toSorted()).toEqual([
    "/",
    "/docs",
    "/healthz",
    "/metrics",
    "/openapi.json",
    "/readyz",
    "/webhooks/stripe",
  ]);
  for (const { token = "adminToken" } of operations) expect(components.securitySchemes).toHaveProperty(token);
});

test("every answer names the request's id, and every problem is of one kind", ({
  document: { operations },
}) => {
  for (const { operationId, responses } of operations) {
    for (const [status, { headers, content }] of Object.entries(responses)) {
      expect(headers, `${operationId} ${status}`).toHaveProperty("X-Request-Id");
      if (Number(status) < 400 || operationId === "getReadiness" || status === "422") continue;
      expect(Object.keys(content ?? {}), `${operationId} ${status}`).toEqual(["application/problem+json"]);
    }
  }
});

test("every object that a caller sends or is sent has no other members than those it names", ({
  document,
}) => {
  const open = placesOf(document).flatMap(({ place, schema }) =>
    objectsIn(schema)
      .filter(({ additionalProperties }) => additionalProperties !== false)
      .map(({ properties }) => `${place}: ${Object.keys((properties ?? {}) as JsonSchema).join(", ")}`),
  );
  expect([...new Set(open)].toSorted()).toEqual([
    "getDocument 200: openapi",
    // Each checker names its parts itself.
    "getReadiness 503: ",
    // Stripe's events: we read little of them and keep everything.
    "receiveStripeEvent body: ",
    "receiveStripeEvent body: id",
    "receiveStripeEvent body: id, object, type, livemode, data, related_object",
    "receiveStripeEvent body: object",
  ]);
});

type Place = { place: string; schema: JsonSchema };
type Document = Parameters<typeof operationsOf>[0];

/** Every schema of the document that stands alone. */
function placesOf(document: Document): Place[] {
  const named = Object.entries(document.components.schemas).map(([place, schema]) => ({ place, schema }));
  const used = operationsOf(document).flatMap(({ operationId, parameters, requestBody, responses }) => [
    ...parameters.map(({ schema }) => ({ place: operationId, schema })),
    ...Object.values(requestBody?.content ?? {}).map(({ schema }) => ({
      place: `${operationId} body`,
      schema,
    })),
    ...Object.entries(responses).flatMap(([status, { content = {} }]) =>
      Object.values(content).map(({ schema }) => ({ place: `${operationId} ${status}`, schema })),
    ),
  ]);
  return [...named, ...used];
}

/** The schema and all schemas inside it. */
function partsOf(schema: unknown): JsonSchema[] {
  if (typeof schema !== "object" || schema === null) return [];
  const { properties, ...keywords } = schema as JsonSchema;
  // A member may have the name of a keyword, so members' names are skipped.
  const members = (properties ?? {}) as JsonSchema;
  const inner = [...Object.values(keywords), ...Object.values(members)];
  const isSchema = !Array.isArray(schema);
  return [...(isSchema ? [schema as JsonSchema] : []), ...inner.flatMap(partsOf)];
}

function objectsIn(schema: JsonSchema): JsonSchema[] {
  return partsOf(schema).filter(({ type }) => [type].flat().includes("object"));
}

function withExamples(schema: JsonSchema): JsonSchema[] {
  return partsOf(schema).filter((part) => Object.hasOwn(part, "example"));
}

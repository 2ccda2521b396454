import { z } from "zod";

/** A JSON schema, or a part of one. */
export type JsonSchema = { readonly [keyword: string]: unknown };

const schemaSchema = z.record(z.string(), z.unknown());
const contentSchema = z.record(z.string(), z.strictObject({ schema: schemaSchema }));
const headerSchema = z.union([
  z.strictObject({ $ref: z.string() }),
  z.strictObject({ required: z.boolean(), description: z.string(), schema: schemaSchema }),
]);
const parameterSchema = z.strictObject({
  name: z.string(),
  in: z.enum(["path", "query", "header"]),
  required: z.boolean(),
  description: z.string().optional(),
  schema: schemaSchema,
});
const operationSchema = z.strictObject({
  operationId: z.string(),
  summary: z.string(),
  description: z.string().optional(),
  tags: z.array(z.string()).length(1),
  security: z
    .array(z.partialRecord(z.enum(["adminToken", "apiKey"]), z.tuple([])))
    .length(1)
    .optional(),
  parameters: z.array(parameterSchema).default([]),
  requestBody: z.strictObject({ required: z.boolean(), content: contentSchema }).optional(),
  responses: z.record(
    z.string().regex(/^[1-5]\d\d$/),
    z.strictObject({
      description: z.string().min(1),
      headers: z.record(z.string(), headerSchema).default({}),
      content: contentSchema.optional(),
    }),
  ),
});
const methodSchema = z.enum(["get", "put", "post", "delete", "patch"]);

/** The parts of OpenAPI 3.1 that this project uses, and no others: an unknown part would not be checked. */
export const documentSchema = z.strictObject({
  openapi: z.literal("3.1.0"),
  info: z.strictObject({ title: z.string(), version: z.string(), description: z.string() }),
  components: z.strictObject({
    securitySchemes: z.record(
      z.string(),
      z.strictObject({ type: z.literal("http"), scheme: z.string(), description: z.string() }),
    ),
    schemas: z.record(z.string(), schemaSchema),
    headers: z.record(z.string(), headerSchema),
    parameters: z.strictObject({}),
  }),
  paths: z.record(z.string().startsWith("/"), z.partialRecord(methodSchema, operationSchema)),
  webhooks: z.strictObject({}),
});

export type OpenApiDocument = z.infer<typeof documentSchema>;
export type Parameter = z.infer<typeof parameterSchema>;
export type DocumentedResponse = z.infer<typeof operationSchema>["responses"][string];

/** One route of the document. */
export type Operation = z.infer<typeof operationSchema> & {
  /** In capitals, as in a request. */
  method: string;
  /** With its parameters in braces. */
  path: string;
  /** The token that it asks for. */
  token: "adminToken" | "apiKey" | undefined;
};

/** Every route of the document. */
export function operationsOf({ paths }: OpenApiDocument): Operation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const [asked = {}] = operation.security ?? [];
      const token =
        asked.adminToken !== undefined
          ? ("adminToken" as const)
          : asked.apiKey !== undefined
            ? ("apiKey" as const)
            : undefined;
      return { ...operation, method: method.toUpperCase(), path, token };
    }),
  );
}

/** The route that a request is for; undefined when the document has none. A fixed path goes before one with parameters. */
export function findOperation(
  operations: readonly Operation[],
  { method, path }: { method: string; path: string },
): Operation | undefined {
  const asked = method === "HEAD" ? "GET" : method;
  const pathname = new URL(path, "http://localhost").pathname;
  return operations
    .filter((operation) => operation.method === asked && patternOf(operation.path).test(pathname))
    .toSorted((a, b) => a.path.split("{").length - b.path.split("{").length)[0];
}

function patternOf(path: string): RegExp {
  const literal = (text: string) => text.replaceAll(/[.*+?^$()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(
    `^${path
      .split(/\{\w+\}/)
      .map(literal)
      .join("[^/]+")}$`,
  );
}

import fc from "fast-check";
import type { JsonSchema, OpenApiDocument } from "../../testing/openapi/document.ts";

/** Keywords that say nothing about values, or are read together with another. */
const passive = ["description", "example", "default", "required", "additionalProperties"];
const keywordsOf: Record<string, readonly string[]> = {
  string: ["pattern", "format", "enum", "minLength", "maxLength"],
  integer: ["minimum", "maximum", "enum"],
  number: ["minimum", "maximum"],
  boolean: [],
  object: ["properties"],
  array: ["items", "minItems", "maxItems"],
  null: [],
};
const dayMs = 86_400_000;
/** Long enough to find faults of long lists, short enough to be quick. */
const itemsMax = 12;

/** Where references lead, and values that mean something to the service, by the member or parameter that takes them. */
export type Source = Pick<OpenApiDocument, "components"> & {
  meaningful: Readonly<Record<string, readonly string[]>>;
};

/** Values that fit a schema of the document. Throws for a keyword that the document did not use so far. */
export function fitsSchema(schema: JsonSchema, source: Source): fc.Arbitrary<unknown> {
  const { $ref, anyOf, type, enum: values } = schema;
  if (typeof $ref === "string") return fitsSchema(resolve($ref, source), source);
  if (Array.isArray(anyOf)) return fc.oneof(...anyOf.map((one: JsonSchema) => fitsSchema(one, source)));
  if (Array.isArray(type)) {
    return fc.oneof(...type.map((one: unknown) => fitsSchema({ ...schema, type: one }, source)));
  }
  // A schema without keywords allows every value.
  if (type === undefined && Object.keys(schema).every((key) => passive.includes(key))) return fc.jsonValue();
  if (typeof type !== "string") throw new Error(`a schema says no type: ${JSON.stringify(schema)}`);
  const allowed = [
    ...(type === "null" ? Object.values(keywordsOf).flat() : (keywordsOf[type] ?? [])),
    ...passive,
    "type",
  ];
  const unknown = Object.keys(schema).filter((keyword) => !allowed.includes(keyword));
  if (unknown.length > 0) throw new Error(`keywords that no request is made from yet: ${unknown.join(", ")}`);
  if (Array.isArray(values) && type !== "null") return fc.constantFrom(...(values as unknown[]));
  return fitsType(type, schema, source);
}

/** Where in a schema objects may have members that it does not name, each as a path. */
export function openObjects(schema: JsonSchema, source: Source, path: string): string[] {
  const {
    $ref,
    anyOf = [],
    items,
    properties = {},
    additionalProperties,
  } = schema as {
    $ref?: string;
    anyOf?: JsonSchema[];
    items?: JsonSchema;
    properties?: Record<string, JsonSchema>;
    additionalProperties?: unknown;
  };
  if ($ref !== undefined) return openObjects(resolve($ref, source), source, path);
  const inner = [...anyOf.entries(), ...Object.entries({ ...(items && { items }), ...properties })];
  return [
    ...(schema["type"] === "object" && additionalProperties !== false ? [path] : []),
    ...inner.flatMap(([name, one]) => openObjects(one, source, `${path}/${name}`)),
  ];
}

/** Values for a member or parameter: mostly existing ones, where some are known. */
export function fitsNamed(name: string, schema: JsonSchema, source: Source): fc.Arbitrary<unknown> {
  const fitting = fitsSchema(schema, source);
  const known = source.meaningful[name];
  return known === undefined
    ? fitting
    : fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...known) }, fitting);
}

function fitsType(type: string, schema: JsonSchema, source: Source): fc.Arbitrary<unknown> {
  const { minimum = -1e9, maximum = 1e9 } = schema as { minimum?: number; maximum?: number };
  switch (type) {
    case "string":
      return fitsString(schema);
    case "integer":
      return fc.integer({ min: minimum, max: maximum });
    case "number":
      return fc.oneof(
        fc.double({ min: minimum, noNaN: true, noDefaultInfinity: true }),
        fc.integer({ min: Math.ceil(minimum), max: Math.floor(maximum) }),
      );
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "object":
      return fitsObject(schema, source);
    case "array":
      return fitsArray(schema, source);
    default:
      throw new Error(`a type that no request is made from yet: ${type}`);
  }
}

function fitsString({ format, pattern, minLength = 0, maxLength = 128 }: JsonSchema): fc.Arbitrary<string> {
  if (format === "uuid") return fc.uuid({ version: [4, 7] });
  if (format === "date-time") return anyInstant;
  if (format !== undefined)
    throw new Error(`a format that no request is made from yet: ${JSON.stringify(format)}`);
  if (typeof pattern === "string" && !pattern.includes(String.raw`\p`)) {
    return fc.stringMatching(new RegExp(pattern)).filter(({ length }) => length <= Number(maxLength));
  }
  const allowed = new RegExp(typeof pattern === "string" ? pattern : "", "u");
  const lengths = { minLength: Number(minLength), maxLength: Math.min(Number(maxLength), 60) };
  // Lengths count characters in the document and code units in the service; blanks around a name do not count there.
  return fc
    .oneof(fc.string({ ...lengths, unit: "grapheme" }), fc.string({ ...lengths, unit: "binary" }))
    .filter(
      (text) =>
        allowed.test(text) &&
        text.trim() === text &&
        text.length <= Number(maxLength) &&
        !text.includes("\0"),
    );
}

/** Mostly of the last months, which are stored, and now and then of any time. */
const anyInstant: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 300 * dayMs }).map((ago) => iso(Date.now() - ago)) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: Date.parse("0001-01-01"), max: Date.parse("9999-12-31") }).map(iso),
  },
);

function iso(at: number): string {
  return new Date(at).toISOString();
}

function fitsObject(schema: JsonSchema, source: Source): fc.Arbitrary<unknown> {
  const { properties = {}, required = [] } = schema as {
    properties?: Record<string, JsonSchema>;
    required?: string[];
  };
  const fields = Object.entries(properties).map(
    ([name, one]) => [name, fitsNamed(name, one, source)] as const,
  );
  return fc.record(Object.fromEntries(fields), { requiredKeys: required });
}

function fitsArray(
  { items, minItems = 0, maxItems = itemsMax }: JsonSchema,
  source: Source,
): fc.Arbitrary<unknown> {
  const length = { minLength: Number(minItems), maxLength: Math.min(Number(maxItems), itemsMax) };
  return fc.array(fitsSchema(items as JsonSchema, source), length);
}

function resolve(reference: string, { components }: Source): JsonSchema {
  const schema = components.schemas[reference.replace("#/components/schemas/", "")];
  if (schema === undefined) throw new Error(`the document has no ${reference}`);
  return schema;
}

import { type ErrorObject, Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { JsonSchema, OpenApiDocument } from "./document.ts";

/** Tells the faults of a value, one line for each; nothing when it fits. */
export type FaultsOf = (value: unknown) => string[];

/** Makes validators from schemas of the document, each once. Throws for a keyword or format that is not known. */
export function createValidators({
  components,
}: Pick<OpenApiDocument, "components">): (schema: JsonSchema) => FaultsOf {
  const ajv = new Ajv2020({ allErrors: true, strict: true, strictTypes: false, allowUnionTypes: true });
  addFormats.default(ajv);
  // OpenAPI's own: an example is for people only, and the schemas lie below components.
  ajv.addVocabulary(["example", "components"]);
  ajv.addSchema({ $id: "document", components });
  const validators = new WeakMap<JsonSchema, ValidateFunction>();

  return (schema) => {
    const known = validators.get(schema) ?? ajv.compile(rooted(schema));
    validators.set(schema, known);
    return (value) => (known(value) ? [] : (known.errors ?? []).map(describe));
  };
}

/** References of the document begin at its root, which is another schema here. */
function rooted(schema: JsonSchema): JsonSchema {
  const text = JSON.stringify(schema).replaceAll('"#/components/', '"document#/components/');
  return JSON.parse(text) as JsonSchema;
}

function describe({ instancePath, message, params }: ErrorObject): string {
  return `${instancePath} ${message} ${JSON.stringify(params)}`;
}

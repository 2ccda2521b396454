import type { z } from "zod";

/** Whether a Content-Type says that the body is JSON. */
export function isJsonType(contentType = ""): boolean {
  return /^application\/json\s*(;|$)/i.test(contentType);
}

/** A response of a route: JSON that fits the schema. */
export function jsonAnswer<Schema extends z.ZodType>(description: string, schema: Schema) {
  return { description, content: { "application/json": { schema } } };
}

/** A required JSON body of a route. */
export function jsonBody<Schema extends z.ZodType>(schema: Schema) {
  return { required: true, content: { "application/json": { schema } } };
}

/** A JSON body that may be left out, which counts as `{}`. */
export function optionalJsonBody<Schema extends z.ZodType>(schema: Schema) {
  return { required: false, content: { "application/json": { schema } } };
}

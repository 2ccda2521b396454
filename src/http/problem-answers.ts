import { z } from "@hono/zod-openapi";

const faultSchema = z.strictObject({ pointer: z.string(), code: z.string(), detail: z.string() });

/** A failure as the OpenAPI document describes it; `Problem` writes it. */
export const problemSchema = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string().openapi({ description: "for programs: stable, one word" }),
    detail: z.string(),
    request_id: z.string(),
    errors: z.array(faultSchema).optional(),
  })
  .openapi("Problem");

const header = (description: string) => ({
  required: true,
  description,
  schema: { type: "string" as const },
});
const challenge = { "WWW-Authenticate": header("what is missing") };

/** A response of a route: a problem, with further members or headers if its kind has some. */
export function problemAnswer(
  description: string,
  options: { schema?: z.ZodType; headers?: Record<string, ReturnType<typeof header>> } = {},
) {
  const { schema = problemSchema, headers } = options;
  return {
    description,
    ...(headers !== undefined && { headers }),
    content: { "application/problem+json": { schema } },
  };
}

/** The answers of every route that needs the database. */
export const databaseProblems = {
  503: problemAnswer("The database cannot be reached; the same request may be sent again", {
    headers: { "Retry-After": header("seconds to wait") },
  }),
};

/** The answers of every route for operators, besides its own. */
export const adminProblems = {
  401: problemAnswer("No token, or not the operator's", { headers: challenge }),
  ...databaseProblems,
};

/** The answers of every route for organizations, besides its own. */
export const keyProblems = {
  401: problemAnswer("No API key, an unknown or a revoked one", { headers: challenge }),
  403: problemAnswer("The API key lacks the scope, or would write for an archived organization", {
    headers: challenge,
  }),
  429: problemAnswer("The API key has sent more than its limit; nothing of this request was stored", {
    headers: { "Retry-After": header("seconds to wait") },
  }),
  ...databaseProblems,
};

/** The answers of every route with parameters. */
export const inputProblems = { 400: problemAnswer("The input is not valid; `errors` says where") };

/** The answers of every route that a client may send a body to, asked for or not. */
export const bodyProblems = {
  ...inputProblems,
  413: problemAnswer("The body is too large"),
  415: problemAnswer("The body is of another type or encoding"),
};

/** The answers of every route about one thing. */
export const notFoundProblems = { 404: problemAnswer("There is no such thing") };

/** The answer of a route when the thing's state does not allow the request. */
export const conflictProblem = (description: string) => problemAnswer(description);

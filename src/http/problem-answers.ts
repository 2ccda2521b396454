import { z } from "@hono/zod-openapi";

const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
    request_id: z.string(),
    errors: z.array(z.object({ pointer: z.string(), code: z.string(), detail: z.string() })).optional(),
  })
  .openapi("Problem");

const answer = (description: string) => ({
  description,
  content: { "application/problem+json": { schema: problemSchema } },
});

/** What a route for operators may answer besides its own. */
export const adminProblems = { 401: answer("No token, or not the operator's") };

/** What a route for organizations may answer besides its own. */
export const keyProblems = {
  401: answer("No API key, an unknown or a revoked one"),
  403: answer("The API key lacks the scope"),
};

/** What a route with parameters may answer. */
export const inputProblems = { 400: answer("The input is not valid; `errors` says where") };

/** What a route with a body may answer. */
export const bodyProblems = {
  ...inputProblems,
  413: answer("The body is too large"),
  415: answer("The body is of another type"),
};

/** What a route for one thing may answer. */
export const notFoundProblems = { 404: answer("There is no such thing") };

/** What a route answers that the thing's state does not allow. */
export const conflictProblem = (description: string) => answer(description);

import type { Context } from "hono";
import { z } from "zod";

/** The JSON of a control request; an empty body is an empty object. */
export async function bodyOf(c: Context): Promise<unknown> {
  const text = await c.req.text();
  try {
    return text === "" ? {} : (JSON.parse(text) as unknown);
  } catch {
    // Not JSON, so every schema refuses it.
    return undefined;
  }
}

/** Acts on the checked input: 400 when the schema has refused it, 404 when the act has found nothing. */
export function answer<T>(
  c: Context,
  input: z.ZodSafeParseResult<T>,
  act: (input: T) => object | undefined,
): Response {
  if (!input.success) return c.json({ error: z.prettifyError(input.error) }, 400);
  return answerFound(c, act(input.data));
}

/** The object, or 404 when there is none. */
export function answerFound(c: Context, found: object | undefined): Response {
  return found === undefined ? c.json({ error: "There is no such object." }, 404) : c.json(found);
}

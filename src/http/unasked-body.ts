import type { MiddlewareHandler } from "hono";
import { z } from "zod";
import type { App, AppEnv } from "./app-env.ts";
import { invalidRequest } from "./input-errors.ts";
import { createRouteLookup } from "./known-query.ts";
import { Problem } from "./problem.ts";

const bodiless = new Set(["GET", "HEAD"]);
const nothing = z.strictObject({});

/**
 * Refuses what a body says to a route that takes none: who resumes the sending of one meter would else resume all of it.
 * Comes after `takeBody`.
 */
export function refuseUnaskedBody(app: App): MiddlewareHandler<AppEnv> {
  const routeFor = createRouteLookup(app);
  return async (c, next) => {
    if (!bodiless.has(c.req.method) && routeFor(c)?.takesBody === false) expectNothing(await c.req.text());
    await next();
  };
}

function expectNothing(text: string): void {
  if (text === "") return;
  // Clients that always send JSON send null or {} where there is nothing to say.
  const read = nothing.safeParse(parseJson(text) ?? {});
  if (!read.success) throw invalidRequest("json", read.error.issues);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const detail = "The body is not valid JSON, and nothing need be sent here.";
    throw new Problem({ status: 400, code: "malformed_json", detail }, { cause: error });
  }
}

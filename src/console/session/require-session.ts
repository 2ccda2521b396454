import type { MiddlewareHandler } from "hono";
import { getCookie } from "hono/cookie";
import type { ConsoleEnv } from "../console-env.ts";
import { readSession, type Tokens } from "./session-cookie.ts";

export const cookieName = "meter_outbox_console";

/** Lets signed-in readers through, and leads all others to the sign-in page. */
export function requireSession(tokens: Tokens, now: () => Date): MiddlewareHandler<ConsoleEnv> {
  return async (c, next) => {
    const session = readSession(getCookie(c, cookieName) ?? "", tokens, now());
    if (session !== undefined) {
      c.set("session", session);
      return next();
    }
    // A part of a page that renews itself: the whole page has to go.
    if (c.req.header("hx-request") !== undefined) return c.body(null, 401, { "hx-refresh": "true" });
    return c.redirect("/console/sign-in", 303);
  };
}

import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "./app-env.ts";
import type { HeldBytes } from "./held-bytes.ts";
import { probes } from "./request-log.ts";

/**
 * Gives every request a hold for the bytes of its body, until its answer is made. While the process is full, all
 * requests but probes are refused before any work is done for them.
 */
export function holdBytes(held: HeldBytes): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (!probes.has(c.req.path)) held.admit();
    const hold = held.begin();
    c.set("hold", hold);
    try {
      await next();
    } finally {
      hold.release();
    }
  };
}

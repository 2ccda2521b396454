import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "./app-env.ts";
import type { HeldBytes } from "./held-bytes.ts";
import { probes } from "./request-log.ts";

/** Owners of a share that are no organizations. */
export const strangers = "strangers";
export const operator = "operator";
export const webhooks = "webhooks";

/**
 * Gives every request a hold for the bytes of its body, until its answer is made. While the process is full, all
 * requests but probes are refused before any work is done for them.
 */
export function holdBytes(held: HeldBytes): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (!probes.has(c.req.path)) held.admit();
    c.set("hold", held.shareOf(strangers).begin());
    try {
      await next();
    } finally {
      c.var.hold.release();
    }
  };
}

/**
 * From here on the request's bytes, its answer included, count in the share of the organization of its key, or of the
 * named owner. Refused while that share is full.
 */
export function holdInShare(held: HeldBytes, owner?: string): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const share = held.shareOf(owner ?? c.var.organizationId ?? strangers);
    share.admit();
    c.set("hold", share.begin());
    tellServer(c.env, share);
    await next();
  };
}

/** For an answer that is not taken. Without a server there is no socket to watch. */
function tellServer(env: unknown, share: HeldBytes): void {
  if (typeof env === "object" && env !== null) Object.assign(env, { share });
}

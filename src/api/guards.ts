import { every } from "hono/combine";
import type { Db } from "../database/db.ts";
import type { Scope } from "../http/api-key.ts";
import type { App } from "../http/app-env.ts";
import {
  type AdminOnly,
  type ExpectKey,
  expectKey,
  type KeyOnly,
  requireAdmin,
  requireKey,
} from "../http/authentication.ts";
import type { HeldBytes } from "../http/held-bytes.ts";
import { holdInShare, operator } from "../http/hold-bytes.ts";
import { createKeyLookup, type RecallKey } from "../http/key-lookup.ts";
import { refuseUnknownQuery } from "../http/known-query.ts";
import { createOrganizationTurns } from "../http/organization-turns.ts";
import { type LimitRequests, limitRequests } from "../http/rate-limit.ts";
import { takeBody } from "../http/take-body.ts";
import { refuseUnaskedBody } from "../http/unasked-body.ts";

/**
 * Which callers may use a route. Each guard asks for the key or token first, and only then looks at the rest of the
 * request.
 */
export type Guards = {
  adminOnly: AdminOnly;
  keyWith: (scope: Scope) => KeyOnly;
  /** Behind `keyWith` and the body: lets organizations take turns at the database, so that the intake has connections, too. */
  inTurn: KeyOnly;
  keys: KnownKeys;
};

/** What `keyWith` asks, for a shortcut that asks the same, and for a body that comes slowly. */
export type KnownKeys = {
  recall: RecallKey;
  limitRequests: LimitRequests | undefined;
  expectKey: ExpectKey;
};

export type GuardOptions = {
  db: Db;
  /** A few connections for API keys that were not seen before; `db`'s own when left out. */
  unknownKeysDb?: Db;
  adminToken: string;
  /** For each API key, in this process; 0: no limit. */
  requestsPerSecond: number;
  /** Of which each caller has a share. */
  held: HeldBytes;
};

/**
 * The intake's statements are six at most, and the process has ten connections. Requests of one organization leave some to
 * the others, and none waits for longer than one that waits for a connection.
 */
const turns = { atOnce: 4, atOnceOfOne: 2, waitMsMax: 5_000 };

/** The checks before the routes. Keys are looked up, and their requests counted, for all routes together. */
export function createGuards(app: App, { requestsPerSecond, held, ...options }: GuardOptions): Guards {
  const knownQuery = refuseUnknownQuery(app);
  const findKey = createKeyLookup(options);
  const requestsLimit = limitRequests(requestsPerSecond);
  const takeTurn = createOrganizationTurns({ ...turns, now: () => performance.now() });
  return {
    adminOnly: every(
      requireAdmin(options),
      holdInShare(held, operator),
      knownQuery,
      takeBody,
      refuseUnaskedBody(app),
    ),
    keyWith: (scope) =>
      every(requireKey({ findKey, scope, limitRequests: requestsLimit }), holdInShare(held), knownQuery),
    inTurn: async (c, next) => {
      const end = await takeTurn(c.var.organizationId);
      try {
        await next();
      } finally {
        end();
      }
    },
    keys: { recall: findKey.recall, limitRequests: requestsLimit, expectKey: expectKey(findKey) },
  };
}

import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import type { Scope } from "./api-key.ts";
import type { FindKey, KeyOwner } from "./key-lookup.ts";
import { Problem } from "./problem.ts";
import type { LimitRequests } from "./rate-limit.ts";

type KeyEnv = { Variables: { organizationId: string; keyId: string } };

/** Middleware of a route for an operator. */
export type AdminOnly = MiddlewareHandler;
/** Middleware of a route for an organization: leaves its `organizationId` and the `keyId` in the context. */
export type KeyOnly = MiddlewareHandler<KeyEnv>;

/** Lets through requests that carry the operator's token, and no others. */
export function requireAdmin({ adminToken }: { adminToken: string }): AdminOnly {
  const expected = digest(adminToken);
  return async (c, next) => {
    const token = bearerToken(c.req.header("authorization"));
    // Digests have equal lengths, so the comparison tells nothing about the token, not even its length.
    if (token === undefined || !timingSafeEqual(digest(token), expected))
      throw unauthorized("the operator's token");
    await next();
  };
}

export type KeyRule = { findKey: FindKey; scope: Scope; limitRequests?: LimitRequests | undefined };

/** Lets through requests that carry a valid API key with the scope, and of one key no more than the limit allows. */
export function requireKey({ findKey, scope, limitRequests }: KeyRule): KeyOnly {
  return async (c, next) => {
    const owner = await findOwner(findKey, c.req.header("authorization"));
    c.set("organizationId", owner.organizationId);
    c.set("keyId", owner.keyId);
    if (limitRequests !== undefined) await limitRequests(owner.keyId);
    expectRights(owner, scope);
    await next();
  };
}

/** Throws the 401 or 403 when the key of an Authorization header is not valid any more, or may not do this any more. */
export type ExpectKey = (authorization: string | undefined, scope: Scope) => Promise<void>;

/** The same for a request whose key was accepted, and whose body took its time. */
export function expectKey(findKey: FindKey): ExpectKey {
  return async (authorization, scope) => expectRights(await findOwner(findKey, authorization), scope);
}

async function findOwner(findKey: FindKey, authorization: string | undefined): Promise<KeyOwner> {
  const key = bearerToken(authorization);
  const owner = key === undefined ? undefined : await findKey(key);
  if (owner === undefined) throw unauthorized("a valid API key");
  return owner;
}

function expectRights({ scopes, isArchived }: KeyOwner, scope: Scope): void {
  if (!scopes.includes(scope)) throw insufficientScope(scope);
  if (isArchived && scope === "ingest") throw archived();
}

/** The token of an Authorization header. */
export function bearerToken(authorization = ""): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function unauthorized(what: string): Problem {
  const detail = `This needs ${what} in the header Authorization: Bearer ….`;
  return new Problem({
    status: 401,
    code: "unauthorized",
    detail,
    headers: { "www-authenticate": "Bearer" },
  });
}

function archived(): Problem {
  const detail = "The organization is archived: it takes no readings and no sensors, and nothing was stored.";
  const headers = { "www-authenticate": "Bearer" };
  return new Problem({ status: 403, code: "organization_archived", detail, headers });
}

function insufficientScope(scope: Scope): Problem {
  const detail = `This needs an API key with the scope ${scope}.`;
  const headers = { "www-authenticate": `Bearer error="insufficient_scope", scope="${scope}"` };
  return new Problem({ status: 403, code: "insufficient_scope", detail, headers });
}

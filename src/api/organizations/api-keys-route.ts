import { randomBytes } from "node:crypto";
import { actAs, apiOperator } from "../../actions/operator-actions.ts";
import { createRoute, z } from "@hono/zod-openapi";
import type { Db } from "../../database/db.ts";
import { makeApiKey, type Scope, scopes } from "../../http/api-key.ts";
import type { App } from "../../http/app-env.ts";
import type { AdminOnly } from "../../http/authentication.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { jsonAnswer, optionalJsonBody } from "../../http/json-content.ts";
import { nameSchema } from "../../http/name.ts";
import { organizationIdOf, organizationParams } from "../../http/organization-reference.ts";
import { pageQuery, pageSchema, toPage } from "../../http/page.ts";
import {
  adminProblems,
  bodyProblems,
  conflictProblem,
  inputProblems,
  notFoundProblems,
} from "../../http/problem-answers.ts";
import { notFound, Problem } from "../../http/problem.ts";
import { shortList } from "../../http/short-list.ts";
import { listApiKeys, revokeApiKey, storeApiKey, type StoredKey } from "../../organizations/api-keys.ts";
import { hasOrganization } from "../../organizations/organizations.ts";

const scopesDefault: Scope[] = ["ingest", "read"];
const scopesMax = 100;
const scopeList = shortList(
  z
    .array(z.enum(scopes))
    .min(1)
    .transform((list) => [...new Set(list)]),
  scopesMax,
);

const shownOnceSchema = z.strictObject({
  id: z.uuid(),
  key: z.string().openapi({ description: "Shown this once and never again", example: "mo_…" }),
  prefix: z.string(),
  scopes: z.array(z.enum(scopes)),
});
const apiKeySchema = z
  .strictObject({
    id: z.uuid(),
    name: z.string(),
    prefix: z.string(),
    scopes: z.array(z.string()),
    created_at: z.iso.datetime(),
    last_used_at: z.iso.datetime().nullable().openapi({ description: "To the minute" }),
    revoked_at: z.iso.datetime().nullable(),
  })
  .openapi("ApiKey");

const shared = { tags: ["API keys"], security: [{ adminToken: [] }] };

const createKeyRoute = createRoute({
  ...shared,
  method: "post",
  path: "/v1/organizations/{id}/api-keys",
  operationId: "createApiKey",
  summary: "Create an API key",
  request: {
    params: organizationParams,
    body: optionalJsonBody(z.strictObject({ name: nameSchema.optional(), scopes: scopeList.optional() })),
  },
  responses: {
    201: jsonAnswer("Created", shownOnceSchema),
    ...adminProblems,
    ...bodyProblems,
    ...notFoundProblems,
    409: conflictProblem("The organization is archived"),
  },
});

const listKeysRoute = createRoute({
  ...shared,
  method: "get",
  path: "/v1/organizations/{id}/api-keys",
  operationId: "listApiKeys",
  summary: "List an organization's API keys, without the keys themselves",
  request: { params: organizationParams, query: pageQuery },
  responses: {
    200: jsonAnswer("A page", pageSchema(apiKeySchema)),
    ...adminProblems,
    ...inputProblems,
    ...notFoundProblems,
  },
});

const revokeKeyRoute = createRoute({
  ...shared,
  method: "delete",
  path: "/v1/organizations/{id}/api-keys/{key_id}",
  operationId: "revokeApiKey",
  summary: "Revoke an API key, which fails within a second",
  request: { params: organizationParams.extend({ key_id: z.uuid() }) },
  responses: {
    204: { description: "Revoked, now or before" },
    ...adminProblems,
    ...bodyProblems,
    ...notFoundProblems,
  },
});

const cursorKey = z.tuple([z.uuid()]);

/** Adds the routes of `/v1/organizations/{id}/api-keys`. */
export function mountApiKeys(app: App, { db, adminOnly }: { db: Db; adminOnly: AdminOnly }): void {
  app.openapi({ ...createKeyRoute, middleware: adminOnly }, async (c) => {
    const { name = "", scopes: granted = scopesDefault } = c.req.valid("json");
    const { key, prefix, keyHash } = makeApiKey(randomBytes(32));
    const organizationId = await organizationIdOf(db, c.req.valid("param").id);
    const stored = await actAs(
      { db, operator: apiOperator },
      (trx) => storeApiKey(trx, { organizationId, name, prefix, keyHash, scopes: granted }),
      (made) =>
        made.kind === "stored" ? { action: "create_api_key", organizationId, subject: made.id } : undefined,
    );
    if (stored.kind === "not_found") throw notFound("organization");
    if (stored.kind === "archived") throw archived();
    return c.json({ id: stored.id, key, prefix, scopes: granted }, 201, { "cache-control": "no-store" });
  });

  app.openapi({ ...listKeysRoute, middleware: adminOnly }, async (c) => {
    const organizationId = await organizationIdOf(db, c.req.valid("param").id);
    const { limit, cursor } = c.req.valid("query");
    const after = decodeCursor(cursor, cursorKey)?.[0];
    if (!(await hasOrganization(db, organizationId))) throw notFound("organization");
    const keys = await listApiKeys(db, { organizationId, after, limit: limit + 1 });
    const page = toPage(keys, limit, ({ id }) => [id]);
    return c.json({ ...page, data: page.data.map(renderApiKey) }, 200);
  });

  app.openapi({ ...revokeKeyRoute, middleware: adminOnly }, async (c) => {
    const { id, key_id: keyId } = c.req.valid("param");
    const organizationId = await organizationIdOf(db, id);
    const isRevoked = await actAs(
      { db, operator: apiOperator },
      (trx) => revokeApiKey(trx, { organizationId, keyId }),
      (isDone) => (isDone ? { action: "revoke_api_key", organizationId, subject: keyId } : undefined),
    );
    if (!isRevoked) throw notFound("API key");
    return c.body(null, 204);
  });
}

function archived(): Problem {
  const detail = "The organization is archived: take it back before it gets a key.";
  return new Problem({ status: 409, code: "organization_archived", detail });
}

/** Renders a key in a list; the key itself is not in it. */
export function renderApiKey(key: StoredKey): z.infer<typeof apiKeySchema> {
  return {
    id: key.id,
    name: key.name,
    prefix: key.prefix,
    scopes: key.scopes,
    created_at: key.created_at.toISOString(),
    last_used_at: key.last_used_at?.toISOString() ?? null,
    revoked_at: key.revoked_at?.toISOString() ?? null,
  };
}

import { createRoute, z } from "@hono/zod-openapi";
import type { Kysely } from "kysely";
import { renderSubscription, subscriptionSchema } from "../billing/subscription-answer.ts";
import type { DB } from "../database/schema.ts";
import type { App } from "../http/app.ts";
import type { AdminOnly } from "../http/authentication.ts";
import { decodeCursor } from "../http/cursor.ts";
import { jsonAnswer, jsonBody } from "../http/json-content.ts";
import { nameSchema } from "../http/name.ts";
import { pageQuery, pageSchema, toPage } from "../http/page.ts";
import { adminProblems, bodyProblems, inputProblems, notFoundProblems } from "../http/problem-answers.ts";
import { notFound } from "../http/problem.ts";
import {
  createOrganization,
  findOrganization,
  listOrganizations,
  type Organization,
} from "./organizations.ts";

const newOrganizationSchema = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  created_at: z.iso.datetime(),
});
const organizationSchema = newOrganizationSchema
  .extend({
    subscription: z.union([subscriptionSchema, z.null()]),
    sensors: z.strictObject({ active: z.int() }),
  })
  .openapi("Organization");

const shared = { tags: ["Organizations"], security: [{ adminToken: [] }] };

const createOrganizationRoute = createRoute({
  ...shared,
  method: "post",
  path: "/v1/organizations",
  operationId: "createOrganization",
  summary: "Create an organization",
  request: { body: jsonBody(z.strictObject({ name: nameSchema.min(1) })) },
  responses: { 201: jsonAnswer("Created", newOrganizationSchema), ...adminProblems, ...bodyProblems },
});

const listOrganizationsRoute = createRoute({
  ...shared,
  method: "get",
  path: "/v1/organizations",
  operationId: "listOrganizations",
  summary: "List organizations, the oldest first",
  request: { query: pageQuery },
  responses: {
    200: jsonAnswer("A page", pageSchema(organizationSchema)),
    ...adminProblems,
    ...inputProblems,
  },
});

const getOrganizationRoute = createRoute({
  ...shared,
  method: "get",
  path: "/v1/organizations/{id}",
  operationId: "getOrganization",
  summary: "Show an organization",
  request: { params: z.object({ id: z.uuid() }) },
  responses: {
    200: jsonAnswer("The organization", organizationSchema),
    ...adminProblems,
    ...notFoundProblems,
  },
});

const cursorKey = z.tuple([z.uuid()]);

/** Adds the routes of `/v1/organizations`. */
export function mountOrganizations(
  app: App,
  { db, adminOnly }: { db: Kysely<DB>; adminOnly: AdminOnly },
): void {
  app.openapi({ ...createOrganizationRoute, middleware: adminOnly }, async (c) => {
    const { id, name, createdAt } = await createOrganization(db, c.req.valid("json"));
    return c.json({ id, name, created_at: createdAt.toISOString() }, 201);
  });

  app.openapi({ ...listOrganizationsRoute, middleware: adminOnly }, async (c) => {
    const { limit, cursor } = c.req.valid("query");
    const after = decodeCursor(cursor, cursorKey)?.[0];
    const page = toPage(await listOrganizations(db, { after, limit: limit + 1 }), limit, ({ id }) => [id]);
    return c.json({ ...page, data: page.data.map(renderOrganization) }, 200);
  });

  app.openapi({ ...getOrganizationRoute, middleware: adminOnly }, async (c) => {
    const organization = await findOrganization(db, c.req.valid("param").id);
    if (organization === undefined) throw notFound("organization");
    return c.json(renderOrganization(organization), 200);
  });
}

/** Writes an organization the API's way. */
export function renderOrganization(organization: Organization): z.infer<typeof organizationSchema> {
  const { id, name, createdAt, subscription, activeSensors } = organization;
  return {
    id,
    name,
    created_at: createdAt.toISOString(),
    subscription: subscription === null ? null : renderSubscription(subscription),
    sensors: { active: activeSensors },
  };
}

import { actAs, apiOperator, recordAction } from "../../actions/operator-actions.ts";
import { createRoute, z } from "@hono/zod-openapi";
import type { Db } from "../../database/db.ts";
import type { App } from "../../http/app-env.ts";
import type { AdminOnly } from "../../http/authentication.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { jsonAnswer, jsonBody } from "../../http/json-content.ts";
import { nameSchema } from "../../http/name.ts";
import { externalIdSchema, organizationIdOf, organizationParams } from "../../http/organization-reference.ts";
import { pageQuery, pageSchema, toPage } from "../../http/page.ts";
import {
  adminProblems,
  bodyProblems,
  inputProblems,
  notFoundProblems,
  problemAnswer,
  problemSchema,
} from "../../http/problem-answers.ts";
import { notFound, Problem } from "../../http/problem.ts";
import { storedTextSchema } from "../../http/stored-text.ts";
import {
  newOrganizationSchema,
  organizationSchema,
  renderNewOrganization,
  renderOrganization,
} from "./organization-answer.ts";
import {
  createOrganization,
  type ExternalIdTaken,
  findOrganization,
  listOrganizations,
  type Organization,
} from "../../organizations/organizations.ts";
import { describeWaiting, updateOrganization } from "../../organizations/update-organization.ts";

const shared = { tags: ["Organizations"], security: [{ adminToken: [] }] };

// Not by extending: the OpenAPI document would write that as a conjunction of two closed schemas, which no answer fits.
const takenSchema = z.strictObject({
  ...problemSchema.shape,
  organization_id: z.uuid().optional().openapi({ description: "which organization has the external id" }),
});

const createOrganizationRoute = createRoute({
  ...shared,
  method: "post",
  path: "/v1/organizations",
  operationId: "createOrganization",
  summary: "Create an organization",
  request: {
    body: jsonBody(z.strictObject({ name: nameSchema.min(1), external_id: externalIdSchema.nullish() })),
  },
  responses: {
    201: jsonAnswer("Created", newOrganizationSchema),
    ...adminProblems,
    ...bodyProblems,
    409: problemAnswer("Another organization has the external id", { schema: takenSchema }),
  },
});

const listOrganizationsRoute = createRoute({
  ...shared,
  method: "get",
  path: "/v1/organizations",
  operationId: "listOrganizations",
  summary: "List organizations, the oldest first",
  request: {
    query: pageQuery.extend({
      external_id: storedTextSchema.max(200).optional(),
      archived: z
        .enum(["true", "false"])
        .transform((text) => text === "true")
        .optional(),
    }),
  },
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
  request: { params: organizationParams },
  responses: {
    200: jsonAnswer("The organization", organizationSchema),
    ...adminProblems,
    ...notFoundProblems,
  },
});

const updateOrganizationRoute = createRoute({
  ...shared,
  method: "patch",
  path: "/v1/organizations/{id}",
  operationId: "updateOrganization",
  summary: "Rename an organization, give it another external id, archive it or take it back",
  description:
    "All of what is asked is done, or nothing. An archived organization takes no readings, sensors or keys (`organization_archived`), and its sensors are not counted; what it sent before can be read as ever.",
  request: {
    params: organizationParams,
    body: jsonBody(
      z.strictObject({
        name: nameSchema.min(1).optional(),
        external_id: externalIdSchema.nullish().openapi({ description: "null takes it away" }),
        archived: z.boolean().optional(),
      }),
    ),
  },
  responses: {
    200: jsonAnswer("As it is now", organizationSchema),
    ...adminProblems,
    ...bodyProblems,
    ...notFoundProblems,
    409: problemAnswer(
      "Another organization has the external id, or usage waits and it cannot be archived yet",
      { schema: takenSchema },
    ),
  },
});

const cursorKey = z.tuple([z.uuid()]);

/** Adds the routes of `/v1/organizations`. */
export function mountOrganizations(
  app: App,
  { db, adminOnly, billableStatuses }: { db: Db; adminOnly: AdminOnly; billableStatuses: readonly string[] },
): void {
  const render = (organization: Organization) => renderOrganization(organization, billableStatuses);
  app.openapi({ ...createOrganizationRoute, middleware: adminOnly }, async (c) => {
    const { name, external_id: externalId } = c.req.valid("json");
    const created = await actAs(
      { db, operator: apiOperator },
      (trx) => createOrganization(trx, { name, externalId }),
      (made) =>
        made.kind === "created" ? { action: "create_organization", organizationId: made.id } : undefined,
    );
    if (created.kind === "external_id_taken") throw taken(created);
    return c.json(renderNewOrganization(created), 201);
  });

  app.openapi({ ...listOrganizationsRoute, middleware: adminOnly }, async (c) => {
    const { limit, cursor, external_id: externalId, archived: isArchived } = c.req.valid("query");
    const after = decodeCursor(cursor, cursorKey)?.[0];
    const rows = await listOrganizations(db, { externalId, isArchived, after, limit: limit + 1 });
    const page = toPage(rows, limit, ({ id }) => [id]);
    return c.json({ ...page, data: page.data.map(render) }, 200);
  });

  app.openapi({ ...getOrganizationRoute, middleware: adminOnly }, async (c) => {
    const organization = await findOrganization(db, await organizationIdOf(db, c.req.valid("param").id));
    if (organization === undefined) throw notFound("organization");
    return c.json(render(organization), 200);
  });

  app.openapi({ ...updateOrganizationRoute, middleware: adminOnly }, async (c) => {
    const { name, external_id: externalId, archived: isArchived } = c.req.valid("json");
    const id = await organizationIdOf(db, c.req.valid("param").id);
    const update = await updateOrganization(db, id, { name, externalId, isArchived }, (trx) =>
      recordAction(trx, apiOperator, { action: "update_organization", organizationId: id }),
    );
    switch (update.kind) {
      case "updated":
        return c.json(render(update.organization), 200);
      case "not_found":
        throw notFound("organization");
      case "external_id_taken":
        throw taken(update);
      case "usage_waits":
        throw new Problem({ status: 409, code: "usage_waits", detail: describeWaiting(update.waiting) });
    }
  });
}

function taken({ externalId, holderId }: ExternalIdTaken): Problem {
  const detail = `Another organization has the external id ${externalId}.`;
  const members = { organization_id: holderId };
  return new Problem({ status: 409, code: "external_id_taken", detail, members });
}

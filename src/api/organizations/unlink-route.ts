import { actAs, apiOperator } from "../../actions/operator-actions.ts";
import { createRoute } from "@hono/zod-openapi";
import type { Db } from "../../database/db.ts";
import type { App } from "../../http/app-env.ts";
import type { AdminOnly } from "../../http/authentication.ts";
import { organizationIdOf, organizationParams } from "../../http/organization-reference.ts";
import { adminProblems, bodyProblems, notFoundProblems } from "../../http/problem-answers.ts";
import { notFound } from "../../http/problem.ts";
import { unlinkOrganization } from "../../billing/subscriptions.ts";

const unlinkRoute = createRoute({
  method: "delete",
  path: "/v1/organizations/{id}/subscription",
  operationId: "deleteSubscription",
  summary: "Unlink an organization from its customer",
  description:
    "Usage that arrived before stays with the customer who was linked then; what arrives afterwards is held until there is a customer again. Nothing is changed at Stripe.",
  tags: ["Organizations"],
  security: [{ adminToken: [] }],
  request: { params: organizationParams },
  responses: {
    204: { description: "Unlinked, now or before" },
    ...adminProblems,
    ...bodyProblems,
    ...notFoundProblems,
  },
});

/** Adds `DELETE /v1/organizations/{id}/subscription`. */
export function mountUnlink(app: App, { db, adminOnly }: { db: Db; adminOnly: AdminOnly }): void {
  app.openapi({ ...unlinkRoute, middleware: adminOnly }, async (c) => {
    const organizationId = await organizationIdOf(db, c.req.valid("param").id);
    const isUnlinked = await actAs(
      { db, operator: apiOperator },
      (trx) => unlinkOrganization(trx, organizationId),
      (isDone) => (isDone ? { action: "unlink_customer", organizationId } : undefined),
    );
    if (!isUnlinked) throw notFound("organization");
    return c.body(null, 204);
  });
}

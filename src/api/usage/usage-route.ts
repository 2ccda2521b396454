import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Db } from "../../database/db.ts";
import type { App } from "../../http/app-env.ts";
import type { AdminOnly, KeyOnly } from "../../http/authentication.ts";
import { organizationIdOf, organizationParams } from "../../http/organization-reference.ts";
import { adminProblems, inputProblems, keyProblems, notFoundProblems } from "../../http/problem-answers.ts";
import { type InputError, notFound, Problem } from "../../http/problem.ts";
import { asksForCsv } from "../csv.ts";
import { hasOrganization } from "../../organizations/organizations.ts";
import { askUsage, renderUsage, usageCsv, usageQuery, usageSchema } from "./usage-answer.ts";

const shared = { method: "get" as const, tags: ["Usage"] };
const answer = {
  description: "Buckets, empty ones included; CSV when `Accept` asks for it",
  content: { "application/json": { schema: usageSchema }, "text/csv": { schema: z.string() } },
};

const usageRoute = createRoute({
  ...shared,
  path: "/v1/usage",
  operationId: "getUsage",
  summary: "Usage by hour, day or month, and how much of it has reached Stripe",
  security: [{ apiKey: [] }],
  request: { query: usageQuery },
  responses: { 200: answer, ...keyProblems, ...inputProblems },
});

const organizationUsageRoute = createRoute({
  ...shared,
  path: "/v1/organizations/{id}/usage",
  operationId: "getOrganizationUsage",
  summary: "The same of any organization, for the operator",
  security: [{ adminToken: [] }],
  request: { params: organizationParams, query: usageQuery },
  responses: { 200: answer, ...adminProblems, ...inputProblems, ...notFoundProblems },
});

/** Adds `GET /v1/usage`. */
export function mountUsage(app: App, { db, mayRead }: { db: Db; mayRead: KeyOnly }): void {
  app.openapi({ ...usageRoute, middleware: mayRead }, async (c) =>
    tellUsage(c, { db, organizationId: c.var.organizationId, query: c.req.valid("query") }),
  );
}

/** Adds `GET /v1/organizations/{id}/usage`. */
export function mountOrganizationUsage(app: App, { db, adminOnly }: { db: Db; adminOnly: AdminOnly }): void {
  app.openapi({ ...organizationUsageRoute, middleware: adminOnly }, async (c) => {
    const organizationId = await organizationIdOf(db, c.req.valid("param").id);
    if (!(await hasOrganization(db, organizationId))) throw notFound("organization");
    return tellUsage(c, { db, organizationId, query: c.req.valid("query") });
  });
}

type Question = { db: Db; organizationId: string; query: z.infer<typeof usageQuery> };

async function tellUsage(c: Context, { db, organizationId, query }: Question) {
  const asked = await askUsage(db, organizationId, query);
  if (asked.kind === "refused") throw invalidQuery(asked.fault);
  if (asksForCsv(c.req.header("accept"))) {
    return c.body(usageCsv(asked.buckets), 200, { "content-type": "text/csv; charset=utf-8" });
  }
  return c.json(await renderUsage(db, organizationId, { ...asked, meter: query.meter }), 200);
}

/** The 400 for a question that fits its schema and makes no sense. */
export function invalidQuery(fault: InputError): Problem {
  return new Problem({
    status: 400,
    code: "invalid_request",
    detail: `${fault.pointer}: ${fault.detail}`,
    errors: [fault],
  });
}

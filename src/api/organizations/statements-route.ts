import { createRoute, z } from "@hono/zod-openapi";
import type { Db } from "../../database/db.ts";
import type { App } from "../../http/app-env.ts";
import type { AdminOnly } from "../../http/authentication.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { instantSchema } from "../../http/instant.ts";
import { organizationIdOf, organizationParams } from "../../http/organization-reference.ts";
import { pageQuery, pageSchema, toPage } from "../../http/page.ts";
import { adminProblems, inputProblems, notFoundProblems } from "../../http/problem-answers.ts";
import { notFound } from "../../http/problem.ts";
import { hasOrganization } from "../../organizations/organizations.ts";
import { findPeriod, listPeriods } from "../../reconciliation/close/billing-periods.ts";
import { readStatement, readStatements } from "../../reconciliation/close/statement.ts";
import { asksForCsv } from "../csv.ts";
import { renderStatement, statementCsv, statementCsvHeading, statementSchema } from "./statement-answer.ts";

const shared = { tags: ["Organizations"], security: [{ adminToken: [] }] };
const csv = { "text/csv": { schema: z.string() } };
const csvHeaders = { "content-type": "text/csv; charset=utf-8" };

const listRoute = createRoute({
  ...shared,
  method: "get",
  path: "/v1/organizations/{id}/statements",
  operationId: "listStatements",
  summary: "Statements of an organization's billing periods, the newest first",
  description:
    "What was stored, sent, counted by Stripe and invoiced in each period, and what their difference consists of. Drawn up from what is stored: Stripe is asked by the worker, at the close of a period, or by `POST …/reconcile`.",
  request: { params: organizationParams, query: pageQuery },
  responses: {
    200: {
      description: "A page; CSV when `Accept` asks for it",
      content: { "application/json": { schema: pageSchema(statementSchema) }, ...csv },
    },
    ...adminProblems,
    ...inputProblems,
    ...notFoundProblems,
  },
});

const getRoute = createRoute({
  ...shared,
  method: "get",
  path: "/v1/organizations/{id}/statements/{period_start}",
  operationId: "getStatement",
  summary: "The statement of one billing period",
  request: { params: organizationParams.extend({ period_start: instantSchema }) },
  responses: {
    200: {
      description: "The statement; CSV when `Accept` asks for it",
      content: { "application/json": { schema: statementSchema }, ...csv },
    },
    ...adminProblems,
    ...inputProblems,
    ...notFoundProblems,
  },
});

const cursorKey = z.tuple([z.iso.datetime()]);

/** Adds `GET /v1/organizations/{id}/statements` and the one of a period. */
export function mountStatements(app: App, { db, adminOnly }: { db: Db; adminOnly: AdminOnly }): void {
  app.openapi({ ...listRoute, middleware: adminOnly }, async (c) => {
    const { limit, cursor } = c.req.valid("query");
    const before = decodeCursor(cursor, cursorKey)?.[0];
    const id = await organizationIdOf(db, c.req.valid("param").id);
    if (!(await hasOrganization(db, id))) throw notFound("organization");
    const found = await listPeriods(db, id, {
      before: before === undefined ? undefined : new Date(before),
      limit: limit + 1,
    });
    const page = toPage(found, limit, ({ start }) => [start.toISOString()]);
    const data = (await readStatements(db, page.data)).map(renderStatement);
    if (asksForCsv(c.req.header("accept"))) {
      return c.body(statementCsvHeading + statementCsv(data), 200, csvHeaders);
    }
    return c.json({ ...page, data }, 200);
  });

  app.openapi({ ...getRoute, middleware: adminOnly }, async (c) => {
    const { id: reference, period_start: start } = c.req.valid("param");
    const id = await organizationIdOf(db, reference);
    const period = await findPeriod(db, id, new Date(start));
    if (period === undefined) throw notFound("statement");
    const statement = renderStatement(await readStatement(db, period));
    if (asksForCsv(c.req.header("accept"))) {
      return c.body(statementCsvHeading + statementCsv([statement]), 200, csvHeaders);
    }
    return c.json(statement, 200);
  });
}

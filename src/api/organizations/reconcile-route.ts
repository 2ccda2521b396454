import { createRoute, z } from "@hono/zod-openapi";
import type { PgBoss } from "pg-boss";
import { actAs, apiOperator } from "../../actions/operator-actions.ts";
import type { Db } from "../../database/db.ts";
import type { App } from "../../http/app-env.ts";
import type { AdminOnly } from "../../http/authentication.ts";
import { instantSchema } from "../../http/instant.ts";
import { jsonAnswer, optionalJsonBody } from "../../http/json-content.ts";
import {
  organizationIdOf,
  organizationParams,
  organizationReferenceSchema,
} from "../../http/organization-reference.ts";
import { adminProblems, bodyProblems, notFoundProblems, problemAnswer } from "../../http/problem-answers.ts";
import { notFound, Problem } from "../../http/problem.ts";
import { hasOrganization } from "../../organizations/organizations.ts";
import { awaitAnswer } from "../../reconciliation/await-answer.ts";
import type { ComparedWindows } from "../../reconciliation/compared-windows.ts";
import { findWantedPeriod } from "../../reconciliation/find-period.ts";
import { askForComparison, type RequestState } from "../../reconciliation/requests.ts";
import { comparedWindowsSchema } from "./reconcile-answer.ts";

const shared = { tags: ["Organizations"], security: [{ adminToken: [] }] };

const periodSchema = z.union(
  [
    z.enum(["current", "last"]),
    z
      .strictObject({ from: instantSchema, to: instantSchema })
      .refine(({ from, to }) => from < to, { path: ["to"], message: "must be after from" }),
  ],
  'must be "current", "last" or an object of two times, from and to, such as 2026-11-01T00:00:00Z',
);

const waitingAnswer = {
  description: "A worker has not answered yet: ask at `Location`",
  headers: {
    Location: {
      required: true,
      description: "where the answer will be",
      schema: { type: "string" as const },
    },
  },
  content: { "application/json": { schema: z.strictObject({ id: z.uuid(), state: z.literal("waiting") }) } },
};
const answers = {
  200: jsonAnswer("What was compared, the widest window of each meter first", comparedWindowsSchema),
  202: waitingAnswer,
  502: problemAnswer("Stripe did not tell its sums"),
  ...adminProblems,
  ...notFoundProblems,
};

const reconcileRoute = createRoute({
  ...shared,
  method: "post",
  path: "/v1/organizations/{id}/reconcile",
  operationId: "reconcile",
  summary: "Compare an organization's usage with Stripe's own sums",
  description:
    "A worker reads the sums, four requests a meter at most, and names the hours that differ. `current` is the running billing period up to now, or the time since the last one's end while nothing has told of the next; `last` is the one before it.",
  request: {
    params: organizationParams,
    body: optionalJsonBody(z.strictObject({ period: periodSchema.optional() })),
  },
  responses: { ...answers, ...bodyProblems },
});

const answerRoute = createRoute({
  ...shared,
  method: "get",
  path: "/v1/organizations/{id}/reconcile/{request_id}",
  operationId: "getReconciliation",
  summary: "The answer to a comparison that was asked for, for seven days",
  request: { params: z.object({ id: organizationReferenceSchema, request_id: z.uuid() }) },
  responses: answers,
});

export type ReconcileRoutes = {
  db: Db;
  boss: PgBoss;
  adminOnly: AdminOnly;
  /** How long a request waits for a worker's answer. */
  reconcileWaitMs: number;
};

/** Adds `POST /v1/organizations/{id}/reconcile`, and where its answer is when it takes longer. */
export function mountReconcile(
  app: App,
  { db, boss, adminOnly, reconcileWaitMs: waitMs }: ReconcileRoutes,
): void {
  app.openapi({ ...reconcileRoute, middleware: adminOnly }, async (c) => {
    const organizationId = await organizationIdOf(db, c.req.valid("param").id);
    if (!(await hasOrganization(db, organizationId))) throw notFound("organization");
    const { period = "current" } = c.req.valid("json");
    const span = await findWantedPeriod(db, organizationId, period);
    if (span === undefined) return c.json({ windows: [], reads: 0 }, 200);
    const id = await actAs(
      { db, operator: apiOperator },
      (trx) => askForComparison({ db: trx, boss }, { organizationId, ...span }),
      (subject) => ({ action: "reconcile", organizationId, subject }),
    );
    const { signal } = c.req.raw;
    const answer = answerOf(await awaitAnswer(db, { organizationId, id }, { waitMs, signal }));
    if (answer !== undefined) return c.json(answer, 200);
    return c.json({ id, state: "waiting" as const }, 202, { Location: locationOf(organizationId, id) });
  });

  app.openapi({ ...answerRoute, middleware: adminOnly }, async (c) => {
    const { id: reference, request_id: id } = c.req.valid("param");
    const organizationId = await organizationIdOf(db, reference);
    const { signal } = c.req.raw;
    const answer = answerOf(await awaitAnswer(db, { organizationId, id }, { waitMs: 0, signal }));
    if (answer !== undefined) return c.json(answer, 200);
    return c.json({ id, state: "waiting" as const }, 202, { Location: locationOf(organizationId, id) });
  });
}

/** Undefined: there is none yet. */
function answerOf(found: RequestState | undefined): ComparedWindows | undefined {
  if (found === undefined) throw notFound("comparison");
  switch (found.state) {
    case "waiting":
      return undefined;
    case "answered":
      return found.answer;
    case "failed":
      throw new Problem({ status: 502, code: "stripe_failed", detail: `${found.error}.` });
  }
}

function locationOf(organizationId: string, id: string): string {
  return `/v1/organizations/${organizationId}/reconcile/${id}`;
}

import { createRoute, z } from "@hono/zod-openapi";
import type { PgBoss } from "pg-boss";
import type { Db } from "../../database/db.ts";
import { actAs, apiOperator } from "../../actions/operator-actions.ts";
import { account, pauseDelivery, resumeDelivery } from "../../delivery/pauses.ts";
import { meterNames } from "../../usage/meters.ts";
import type { App } from "../../http/app-env.ts";
import type { AdminOnly } from "../../http/authentication.ts";
import { jsonAnswer, jsonBody } from "../../http/json-content.ts";
import { adminProblems, bodyProblems } from "../../http/problem-answers.ts";
import { reasonSchema } from "../../http/stored-text.ts";
import { requestSeal } from "../../outbox/seal-job.ts";
import { outboxSchema, readOutbox } from "./outbox-answer.ts";

const shared = { tags: ["Outbox"], security: [{ adminToken: [] }] };

const outboxRoute = createRoute({
  ...shared,
  method: "get",
  path: "/v1/outbox",
  operationId: "getOutbox",
  summary: "What waits, what was delivered, and what is paused",
  responses: { 200: jsonAnswer("The outbox", outboxSchema), ...adminProblems },
});

const sealRoute = createRoute({
  ...shared,
  method: "post",
  path: "/v1/outbox/seal",
  operationId: "seal",
  summary: "Seal all due entries now",
  responses: {
    202: jsonAnswer("A worker will seal at once", z.strictObject({ requested: z.literal(true) })),
    ...adminProblems,
    ...bodyProblems,
  },
});

const pauseRoute = createRoute({
  ...shared,
  method: "post",
  path: "/v1/delivery/pause",
  operationId: "pauseDelivery",
  summary: "Stop sending to Stripe until resumed; usage goes on being accepted",
  request: {
    body: jsonBody(
      z.strictObject({
        reason: reasonSchema,
        meter: z.enum(meterNames).optional().openapi({ description: "left out: all sending" }),
      }),
    ),
  },
  responses: { 204: { description: "Paused" }, ...adminProblems, ...bodyProblems },
});

const resumeRoute = createRoute({
  ...shared,
  method: "post",
  path: "/v1/delivery/resume",
  operationId: "resumeDelivery",
  summary: "Go on sending, whatever paused it",
  responses: { 204: { description: "Not paused any more" }, ...adminProblems, ...bodyProblems },
});

export type OutboxRoutes = { db: Db; boss: PgBoss; adminOnly: AdminOnly };

/** Adds the routes of `/v1/outbox` and `/v1/delivery`. */
export function mountOutbox(app: App, { db, boss, adminOnly }: OutboxRoutes): void {
  app.openapi({ ...outboxRoute, middleware: adminOnly }, async (c) => {
    return c.json(await readOutbox(db), 200);
  });

  app.openapi({ ...sealRoute, middleware: adminOnly }, async (c) => {
    await actAs(
      { db, operator: apiOperator },
      () => requestSeal(boss),
      () => ({ action: "seal" }),
    );
    return c.json({ requested: true as const }, 202);
  });

  app.openapi({ ...pauseRoute, middleware: adminOnly }, async (c) => {
    const { reason, meter } = c.req.valid("json");
    await actAs(
      { db, operator: apiOperator },
      (trx) => pauseDelivery(trx, reason, meter),
      () => ({ action: "pause_delivery", subject: meter ?? account, reason }),
    );
    return c.body(null, 204);
  });

  app.openapi({ ...resumeRoute, middleware: adminOnly }, async (c) => {
    await actAs(
      { db, operator: apiOperator },
      (trx) => resumeDelivery(trx),
      (affected) => ({ action: "resume_delivery", affected }),
    );
    return c.body(null, 204);
  });
}

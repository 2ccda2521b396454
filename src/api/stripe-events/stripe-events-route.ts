import { createRoute, z } from "@hono/zod-openapi";
import { actAs, apiOperator } from "../../actions/operator-actions.ts";
import type { PgBoss } from "pg-boss";
import type { Db } from "../../database/db.ts";
import type { App } from "../../http/app-env.ts";
import type { AdminOnly } from "../../http/authentication.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { jsonAnswer, jsonBody } from "../../http/json-content.ts";
import { pageQuery, pageSchema, toPage } from "../../http/page.ts";
import {
  adminProblems,
  bodyProblems,
  conflictProblem,
  inputProblems,
  notFoundProblems,
} from "../../http/problem-answers.ts";
import { notFound, Problem } from "../../http/problem.ts";
import { reasonSchema, storedTextSchema } from "../../http/stored-text.ts";
import { dismissStripeEvent, inboxStates, replayStripeEvent } from "../../billing/inbox.ts";
import { findStripeEvent, listStripeEvents, type StoredEvent } from "../../billing/list-stripe-events.ts";
import { inboxCursor, renderStoredEvent, storedEventSchema } from "./stored-event-answer.ts";

const shared = { tags: ["Stripe"], security: [{ adminToken: [] }] };

const params = z.object({ id: storedTextSchema.min(1).max(255) });

const listRoute = createRoute({
  ...shared,
  method: "get",
  path: "/v1/stripe-events",
  operationId: "listStripeEvents",
  summary: "The webhook inbox, the newest first; `failed` is the dead letter",
  request: { query: pageQuery.extend({ state: z.enum(inboxStates).optional() }) },
  responses: {
    200: jsonAnswer("A page", pageSchema(storedEventSchema)),
    ...adminProblems,
    ...inputProblems,
  },
});

const replayRoute = createRoute({
  ...shared,
  method: "post",
  path: "/v1/stripe-events/{id}/replay",
  operationId: "replayStripeEvent",
  summary: "Give a failed, refused or dismissed event another try",
  request: { params },
  responses: {
    202: jsonAnswer("It will be handled again", z.strictObject({ replayed: z.literal(1) })),
    ...adminProblems,
    ...bodyProblems,
    ...notFoundProblems,
    409: conflictProblem("It is pending or handled"),
  },
});

const dismissRoute = createRoute({
  ...shared,
  method: "post",
  path: "/v1/stripe-events/{id}/dismiss",
  operationId: "dismissStripeEvent",
  summary: "Put a failed or refused event aside: it needs no effect here",
  request: { params, body: jsonBody(z.strictObject({ reason: reasonSchema })) },
  responses: {
    200: jsonAnswer("The event", storedEventSchema),
    ...adminProblems,
    ...bodyProblems,
    ...notFoundProblems,
    409: conflictProblem("It is neither failed nor refused"),
  },
});

const getRoute = createRoute({
  ...shared,
  method: "get",
  path: "/v1/stripe-events/{id}",
  operationId: "getStripeEvent",
  summary: "Show an event of the webhook inbox",
  request: { params },
  responses: {
    200: jsonAnswer("The event", storedEventSchema),
    ...adminProblems,
    ...inputProblems,
    ...notFoundProblems,
  },
});

/** Adds the routes of `/v1/stripe-events`. */
export function mountStripeEvents(
  app: App,
  { db, boss, adminOnly }: { db: Db; boss: PgBoss; adminOnly: AdminOnly },
): void {
  app.openapi({ ...listRoute, middleware: adminOnly }, async (c) => {
    const { limit, cursor, state } = c.req.valid("query");
    const before = decodeCursor(cursor, inboxCursor.schema);
    const rows = await listStripeEvents(db, { state, before, limit: limit + 1 });
    const page = toPage(rows, limit, inboxCursor.keyOf);
    return c.json({ ...page, data: page.data.map(renderStoredEvent) }, 200);
  });

  app.openapi({ ...getRoute, middleware: adminOnly }, async (c) => {
    return c.json(renderStoredEvent(await findEvent(db, c.req.valid("param").id)), 200);
  });

  app.openapi({ ...replayRoute, middleware: adminOnly }, async (c) => {
    const { id } = c.req.valid("param");
    const isReplayed = await actAs(
      { db, operator: apiOperator },
      (trx) => replayStripeEvent({ db: trx, boss }, id),
      (isDone) => (isDone ? { action: "replay_stripe_event", subject: id } : undefined),
    );
    if (isReplayed) return c.json({ replayed: 1 as const }, 202);
    const { state } = await findEvent(db, id);
    const detail = `The event is ${state}; only a failed, refused or dismissed one can be replayed.`;
    throw new Problem({ status: 409, code: "not_replayable", detail });
  });

  app.openapi({ ...dismissRoute, middleware: adminOnly }, async (c) => {
    const { id } = c.req.valid("param");
    const { reason } = c.req.valid("json");
    const isDismissed = await actAs(
      { db, operator: apiOperator },
      (trx) => dismissStripeEvent(trx, id, reason),
      (isDone) => (isDone ? { action: "dismiss_stripe_event", subject: id, reason } : undefined),
    );
    const event = await findEvent(db, id);
    if (isDismissed) return c.json(renderStoredEvent(event), 200);
    const detail = `The event is ${event.state}; only a failed or refused one can be dismissed.`;
    throw new Problem({ status: 409, code: "not_dismissable", detail });
  });
}

async function findEvent(db: Db, id: string): Promise<StoredEvent> {
  const event = await findStripeEvent(db, id);
  if (event === undefined) throw notFound("Stripe event");
  return event;
}

import { createRoute, z } from "@hono/zod-openapi";
import type { Kysely } from "kysely";
import type { PgBoss } from "pg-boss";
import type { DB } from "../database/schema.ts";
import type { App } from "../http/app.ts";
import type { AdminOnly } from "../http/authentication.ts";
import { decodeCursor } from "../http/cursor.ts";
import { jsonAnswer } from "../http/json-content.ts";
import { pageQuery, pageSchema, toPage } from "../http/page.ts";
import {
  adminProblems,
  bodyProblems,
  conflictProblem,
  inputProblems,
  notFoundProblems,
} from "../http/problem-answers.ts";
import { notFound, Problem } from "../http/problem.ts";
import { inboxStates, replayStripeEvent } from "./inbox.ts";
import { findStripeEventState, listStripeEvents, type StoredEvent } from "./list-stripe-events.ts";

const storedEventSchema = z
  .strictObject({
    id: z.string(),
    type: z.string(),
    state: z.enum(inboxStates),
    attempts: z.int(),
    received_at: z.iso.datetime(),
    handled_at: z.iso.datetime().nullable(),
    error: z.string().nullable(),
    payload: z.unknown(),
  })
  .openapi("StripeEvent");

const shared = { tags: ["Stripe"], security: [{ adminToken: [] }] };

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
  summary: "Give a failed or refused event another try",
  request: { params: z.object({ id: z.string().min(1).max(255) }) },
  responses: {
    202: jsonAnswer("It will be handled again", z.strictObject({ replayed: z.literal(1) })),
    ...adminProblems,
    ...bodyProblems,
    ...notFoundProblems,
    409: conflictProblem("It is neither failed nor refused"),
  },
});

const cursorKey = z.tuple([z.iso.datetime(), z.string()]);

/** Adds the routes of `/v1/stripe-events`. */
export function mountStripeEvents(
  app: App,
  { db, boss, adminOnly }: { db: Kysely<DB>; boss: PgBoss; adminOnly: AdminOnly },
): void {
  app.openapi({ ...listRoute, middleware: adminOnly }, async (c) => {
    const { limit, cursor, state } = c.req.valid("query");
    const before = decodeCursor(cursor, cursorKey);
    const rows = await listStripeEvents(db, { state, before, limit: limit + 1 });
    const page = toPage(rows, limit, ({ receivedAt, id }) => [receivedAt, id]);
    return c.json({ ...page, data: page.data.map(render) }, 200);
  });

  app.openapi({ ...replayRoute, middleware: adminOnly }, async (c) => {
    const { id } = c.req.valid("param");
    if (await replayStripeEvent({ db, boss }, id)) return c.json({ replayed: 1 as const }, 202);
    const state = await findStripeEventState(db, id);
    if (state === undefined) throw notFound("Stripe event");
    const detail = `The event is ${state}; only a failed or refused one can be replayed.`;
    throw new Problem({ status: 409, code: "not_replayable", detail });
  });
}

function render(event: StoredEvent): z.infer<typeof storedEventSchema> {
  return {
    id: event.id,
    type: event.type,
    state: event.state,
    attempts: event.attempts,
    received_at: event.receivedAt,
    handled_at: event.handledAt,
    error: event.error,
    payload: event.payload,
  };
}

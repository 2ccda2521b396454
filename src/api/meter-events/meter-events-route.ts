import { createRoute, z } from "@hono/zod-openapi";
import type { PgBoss } from "pg-boss";
import type { Db } from "../../database/db.ts";
import { meterEventStates } from "../../delivery/meter-event-states.ts";
import { listMeterEvents } from "../../delivery/meter-events.ts";
import type { App } from "../../http/app-env.ts";
import type { AdminOnly } from "../../http/authentication.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { jsonAnswer } from "../../http/json-content.ts";
import { pageQuery, pageSchema, toPage } from "../../http/page.ts";
import { adminProblems, inputProblems, notFoundProblems } from "../../http/problem-answers.ts";
import { notFound } from "../../http/problem.ts";
import { storedTextSchema } from "../../http/stored-text.ts";
import { findRecordedUsage } from "../../outbox/recorded-usage.ts";
import { explainMeterEvent } from "./explain-meter-event.ts";
import { mountMeterEventActions } from "./meter-event-actions-route.ts";
import {
  meterEventDetailSchema,
  meterEventSchema,
  renderExplanation,
  renderMeterEvent,
} from "./meter-event-answer.ts";
import { matchOf, matchShape } from "./meter-event-match.ts";

const shared = { tags: ["Meter events"], security: [{ adminToken: [] }] };
const params = z.object({ id: z.uuid() });

const listRoute = createRoute({
  ...shared,
  method: "get",
  path: "/v1/meter-events",
  operationId: "listMeterEvents",
  summary: "List meter events, the newest first",
  request: {
    query: pageQuery.extend({
      state: z.enum(meterEventStates).optional(),
      ...matchShape,
      idempotency_key: storedTextSchema
        .min(1)
        .max(255)
        .optional()
        .openapi({ description: "only those that carry the usage that record_usage wrote under this key" }),
    }),
  },
  responses: {
    200: jsonAnswer("A page", pageSchema(meterEventSchema)),
    ...adminProblems,
    ...inputProblems,
    ...notFoundProblems,
  },
});

const getRoute = createRoute({
  ...shared,
  method: "get",
  path: "/v1/meter-events/{id}",
  operationId: "getMeterEvent",
  summary: "Show a meter event with its attempts and entries; the id is Stripe's identifier",
  request: { params },
  responses: {
    200: jsonAnswer("The meter event", meterEventDetailSchema),
    ...adminProblems,
    ...notFoundProblems,
  },
});

const cursorKey = z.tuple([z.uuid()]);

export type MeterEventRoutes = { db: Db; boss: PgBoss; adminOnly: AdminOnly };

/** Adds the routes of `/v1/meter-events` that show, and those that act. */
export function mountMeterEvents(app: App, { db, boss, adminOnly }: MeterEventRoutes): void {
  mountMeterEventActions(app, { db, boss, adminOnly });

  app.openapi({ ...listRoute, middleware: adminOnly }, async (c) => {
    const { limit, cursor, state, idempotency_key: idempotencyKey, ...query } = c.req.valid("query");
    const before = decodeCursor(cursor, cursorKey)?.[0];
    const match = await matchOf(db, query);
    const ids = await idsOfKey(db, { idempotencyKey, organizationId: match.organizationId });
    const rows = await listMeterEvents(db, { ...match, state, ids, before, limit: limit + 1 });
    const page = toPage(rows, limit, ({ id }) => [id]);
    return c.json({ ...page, data: page.data.map(renderMeterEvent) }, 200);
  });

  app.openapi({ ...getRoute, middleware: adminOnly }, async (c) => {
    const explained = await explainMeterEvent(db, c.req.valid("param").id);
    if (explained === undefined) throw notFound("meter event");
    return c.json(renderExplanation(explained), 200);
  });
}

/** The events that carry the usage of a key; undefined without a key. */
async function idsOfKey(
  db: Db,
  {
    idempotencyKey,
    organizationId,
  }: { idempotencyKey: string | undefined; organizationId: string | undefined },
): Promise<string[] | undefined> {
  if (idempotencyKey === undefined) return undefined;
  const recorded = await findRecordedUsage(db, { idempotencyKey, organizationId });
  return recorded.flatMap(({ meterEventIds }) => meterEventIds);
}

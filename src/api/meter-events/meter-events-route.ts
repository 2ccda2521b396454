import { createRoute, z } from "@hono/zod-openapi";
import { actAs, apiOperator } from "../../actions/operator-actions.ts";
import type { PgBoss } from "pg-boss";
import type { Db } from "../../database/db.ts";
import { meterEventStates } from "../../delivery/meter-event-states.ts";
import { findMeterEvent, listMeterEvents } from "../../delivery/meter-events.ts";
import { resolutions, resolveMeterEvent } from "../../delivery/resolve.ts";
import { retriedStates, retryMeterEvents } from "../../delivery/retry-rejected.ts";
import type { App } from "../../http/app-env.ts";
import type { AdminOnly } from "../../http/authentication.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { jsonAnswer, jsonBody } from "../../http/json-content.ts";
import { organizationIdOf, organizationReferenceSchema } from "../../http/organization-reference.ts";
import { pageQuery, pageSchema, toPage } from "../../http/page.ts";
import {
  adminProblems,
  bodyProblems,
  conflictProblem,
  inputProblems,
  notFoundProblems,
} from "../../http/problem-answers.ts";
import { notFound, Problem } from "../../http/problem.ts";
import { findRecordedUsage } from "../../outbox/recorded-usage.ts";
import { meterNames } from "../../usage/meters.ts";
import { explainMeterEvent } from "./explain-meter-event.ts";
import {
  meterEventDetailSchema,
  meterEventSchema,
  renderExplanation,
  renderMeterEvent,
  renderResolved,
  resolvedSchema,
} from "./meter-event-answer.ts";

const shared = { tags: ["Meter events"], security: [{ adminToken: [] }] };
const params = z.object({ id: z.uuid() });
const meterSchema = z.enum(meterNames);

const listRoute = createRoute({
  ...shared,
  method: "get",
  path: "/v1/meter-events",
  operationId: "listMeterEvents",
  summary: "List meter events, the newest first",
  request: {
    query: pageQuery.extend({
      state: z.enum(meterEventStates).optional(),
      organization_id: organizationReferenceSchema.optional(),
      meter: meterSchema.optional(),
      idempotency_key: z
        .string()
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

const retried = jsonAnswer(
  "How many were rejected and are not any more, or are due now: they are attempted again under their identifiers, or are in doubt where Stripe may have counted and forgotten one",
  z.strictObject({ retried: z.int() }),
);

const retryOneRoute = createRoute({
  ...shared,
  method: "post",
  path: "/v1/meter-events/{id}/retry",
  operationId: "retryMeterEvent",
  summary: "Give a rejected meter event another try, or make a pending one due now",
  request: { params },
  responses: {
    202: retried,
    ...adminProblems,
    ...bodyProblems,
    ...notFoundProblems,
    409: conflictProblem("It is neither rejected nor pending"),
  },
});

const resolveRoute = createRoute({
  ...shared,
  method: "post",
  path: "/v1/meter-events/{id}/resolve",
  operationId: "resolveMeterEvent",
  summary: "Declare an event in doubt delivered, or send its usage again under a new identifier",
  request: {
    params,
    body: jsonBody(
      z.strictObject({
        resolution: z.enum(resolutions),
        reason: z.string().trim().min(1).max(500),
      }),
    ),
  },
  responses: {
    200: jsonAnswer("What became of it", resolvedSchema),
    ...adminProblems,
    ...bodyProblems,
    ...notFoundProblems,
    409: conflictProblem("It is not in doubt"),
  },
});

const retryManyRoute = createRoute({
  ...shared,
  method: "post",
  path: "/v1/meter-events/retry",
  operationId: "retryMeterEvents",
  summary: "Give rejected meter events another try, or make pending ones due now; 10,000 at most in one call",
  request: {
    body: jsonBody(
      z.strictObject({
        state: z.enum(retriedStates),
        meter: meterSchema.optional(),
        organization_id: organizationReferenceSchema.optional(),
      }),
    ),
  },
  responses: { 202: retried, ...adminProblems, ...bodyProblems, ...notFoundProblems },
});

const cursorKey = z.tuple([z.uuid()]);

export type MeterEventRoutes = { db: Db; boss: PgBoss; adminOnly: AdminOnly };

/** Adds the routes of `/v1/meter-events`. */
export function mountMeterEvents(app: App, { db, boss, adminOnly }: MeterEventRoutes): void {
  app.openapi({ ...listRoute, middleware: adminOnly }, async (c) => {
    const { limit, cursor, state, organization_id: reference, meter, ...query } = c.req.valid("query");
    const before = decodeCursor(cursor, cursorKey)?.[0];
    const organizationId = await filterOf(db, reference);
    const ids = await idsOfKey(db, { idempotencyKey: query.idempotency_key, organizationId });
    const rows = await listMeterEvents(db, { state, organizationId, meter, ids, before, limit: limit + 1 });
    const page = toPage(rows, limit, ({ id }) => [id]);
    return c.json({ ...page, data: page.data.map(renderMeterEvent) }, 200);
  });

  app.openapi({ ...getRoute, middleware: adminOnly }, async (c) => {
    const explained = await explainMeterEvent(db, c.req.valid("param").id);
    if (explained === undefined) throw notFound("meter event");
    return c.json(renderExplanation(explained), 200);
  });

  app.openapi({ ...retryManyRoute, middleware: adminOnly }, async (c) => {
    const { state, meter, organization_id: reference } = c.req.valid("json");
    const organizationId = await filterOf(db, reference);
    const count = await actAs(
      { db, operator: apiOperator },
      (trx) => retryMeterEvents({ db: trx, boss }, { state, meter, organizationId }),
      (affected) => ({ action: "retry_meter_events", organizationId, affected }),
    );
    return c.json({ retried: count }, 202);
  });

  app.openapi({ ...retryOneRoute, middleware: adminOnly }, async (c) => {
    const { id } = c.req.valid("param");
    for (const state of retriedStates) {
      const count = await actAs(
        { db, operator: apiOperator },
        (trx) => retryMeterEvents({ db: trx, boss }, { id, state }),
        (affected) => (affected === 0 ? undefined : { action: "retry_meter_events", subject: id, affected }),
      );
      if (count > 0) return c.json({ retried: count }, 202);
    }
    const detail = "only a rejected or a pending one can be retried";
    throw await wrongState(db, id, { status: 409, code: "not_rejected", detail });
  });

  app.openapi({ ...resolveRoute, middleware: adminOnly }, async (c) => {
    const { id } = c.req.valid("param");
    const resolution = c.req.valid("json");
    const resolved = await actAs(
      { db, operator: apiOperator },
      (trx) => resolveMeterEvent({ db: trx, boss }, id, resolution),
      (done) =>
        done === undefined ? undefined : { action: "resolve_meter_event", subject: id, ...resolution },
    );
    if (resolved !== undefined) {
      return c.json(renderResolved(id, resolved, (await explainMeterEvent(db, id))?.evidence), 200);
    }
    const detail = "only one in doubt can be resolved";
    throw await wrongState(db, id, { status: 409, code: "not_in_doubt", detail });
  });
}

/**
 * The organization that a list is narrowed to. An external id that no organization has is probably a typing error, so
 * the answer is 404.
 */
async function filterOf(db: Db, reference: string | undefined): Promise<string | undefined> {
  return reference === undefined ? undefined : organizationIdOf(db, reference);
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

async function wrongState(
  db: Db,
  id: string,
  { status, code, detail }: { status: 409; code: string; detail: string },
): Promise<Problem> {
  const event = await findMeterEvent(db, id);
  if (event === undefined) return notFound("meter event");
  return new Problem({ status, code, detail: `The meter event is ${event.state}; ${detail}.` });
}

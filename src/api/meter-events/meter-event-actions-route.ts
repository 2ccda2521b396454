import { createRoute, z } from "@hono/zod-openapi";
import { actAs, apiOperator } from "../../actions/operator-actions.ts";
import type { PgBoss } from "pg-boss";
import type { Db } from "../../database/db.ts";
import { actionOnAll } from "../../delivery/match-meter-events.ts";
import { findMeterEvent } from "../../delivery/meter-events.ts";
import { resolutions, resolveMeterEvent, resolveMeterEvents } from "../../delivery/resolve.ts";
import { retriedStates, retryMeterEvents } from "../../delivery/retry-rejected.ts";
import type { App } from "../../http/app-env.ts";
import type { AdminOnly } from "../../http/authentication.ts";
import { jsonAnswer, jsonBody } from "../../http/json-content.ts";
import {
  adminProblems,
  bodyProblems,
  conflictProblem,
  notFoundProblems,
} from "../../http/problem-answers.ts";
import { notFound, Problem } from "../../http/problem.ts";
import { reasonSchema } from "../../http/stored-text.ts";
import { explainMeterEvent } from "./explain-meter-event.ts";
import { renderResolved, resolvedSchema } from "./meter-event-answer.ts";
import { matchOf, matchShape } from "./meter-event-match.ts";

const shared = { method: "post" as const, tags: ["Meter events"], security: [{ adminToken: [] }] };
const params = z.object({ id: z.uuid() });

const retried = jsonAnswer(
  "How many were rejected and are not any more, or are due now: they are attempted again under their identifiers, or are in doubt where Stripe may have counted and forgotten one",
  z.strictObject({ retried: z.int() }),
);

const retryOneRoute = createRoute({
  ...shared,
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

const resolutionShape = {
  resolution: z.enum(resolutions),
  reason: reasonSchema,
};

const resolveRoute = createRoute({
  ...shared,
  path: "/v1/meter-events/{id}/resolve",
  operationId: "resolveMeterEvent",
  summary: "Declare an event in doubt delivered, or send its usage again under a new identifier",
  request: {
    params,
    body: jsonBody(z.strictObject(resolutionShape)),
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
  path: "/v1/meter-events/retry",
  operationId: "retryMeterEvents",
  summary: "Give rejected meter events another try, or make pending ones due now; 10,000 at most in one call",
  request: {
    body: jsonBody(
      z.strictObject({
        state: z.enum(retriedStates),
        ...matchShape,
      }),
    ),
  },
  responses: { 202: retried, ...adminProblems, ...bodyProblems, ...notFoundProblems },
});

const resolveManyRoute = createRoute({
  ...shared,
  path: "/v1/meter-events/resolve",
  operationId: "resolveMeterEvents",
  summary: "The same for all events in doubt that match; 1,000 at most in one call",
  request: {
    body: jsonBody(z.strictObject({ state: z.literal("in_doubt"), ...resolutionShape, ...matchShape })),
  },
  responses: {
    200: jsonAnswer(
      "How many are in doubt no more, and how many new events send usage again",
      z.strictObject({ resolved: z.int(), replaced: z.int() }),
    ),
    ...adminProblems,
    ...bodyProblems,
    ...notFoundProblems,
  },
});

type ActionRoutes = { db: Db; boss: PgBoss; adminOnly: AdminOnly };

/** Adds Retry and Resolve, of one meter event and of all that match. */
export function mountMeterEventActions(app: App, routes: ActionRoutes): void {
  mountRetries(app, routes);
  mountResolves(app, routes);
}

function mountRetries(app: App, { db, boss, adminOnly }: ActionRoutes): void {
  app.openapi({ ...retryManyRoute, middleware: adminOnly }, async (c) => {
    const { state, ...query } = c.req.valid("json");
    const match = await matchOf(db, query);
    const count = await actAs(
      { db, operator: apiOperator },
      (trx) => retryMeterEvents({ db: trx, boss }, { ...match, state }),
      (affected) => actionOnAll("retry_meter_events", { ...match, state }, { affected }),
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
}

function mountResolves(app: App, { db, boss, adminOnly }: ActionRoutes): void {
  app.openapi({ ...resolveManyRoute, middleware: adminOnly }, async (c) => {
    const { state, resolution, reason, ...query } = c.req.valid("json");
    const match = await matchOf(db, query);
    const done = await actAs(
      { db, operator: apiOperator },
      (trx) => resolveMeterEvents({ db: trx, boss }, match, { resolution, reason }),
      ({ resolved: affected }) =>
        actionOnAll("resolve_meter_event", { ...match, state }, { affected, reason }),
    );
    return c.json(done, 200);
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

async function wrongState(
  db: Db,
  id: string,
  { status, code, detail }: { status: 409; code: string; detail: string },
): Promise<Problem> {
  const event = await findMeterEvent(db, id);
  if (event === undefined) return notFound("meter event");
  return new Problem({ status, code, detail: `The meter event is ${event.state}; ${detail}.` });
}

import { z } from "zod";
import type { ConsoleParts } from "../../api/console-parts.ts";
import type { Db } from "../../database/db.ts";
import { actionOnAll, chooseMeterEvents, countMeterEvents } from "../../delivery/match-meter-events.ts";
import { findMeterEvent, type MeterEvent } from "../../delivery/meter-events.ts";
import {
  type Resolution,
  resolutions,
  resolvedMax,
  resolveMeterEvent,
  resolveMeterEvents,
} from "../../delivery/resolve.ts";
import { retriedMax, retriedStates, retryMeterEvents } from "../../delivery/retry-rejected.ts";
import { invalidRequest } from "../../http/input-errors.ts";
import { notFound, Problem } from "../../http/problem.ts";
import { findWindowSum } from "../../reconciliation/window-sum.ts";
import type { ConsoleApp, ConsoleContext } from "../console-env.ts";
import { act, reasonOf, requireAdmin } from "../forms/act.ts";
import { askFirst, ConfirmPage } from "../forms/confirm-page.tsx";
import { readForm } from "../forms/read-form.ts";
import { counted, inDigits } from "../parts/figures.ts";
import { withQuery } from "../parts/next-page.tsx";
import { eventsPath } from "./events-page.tsx";
import { eventIdOf } from "./events-route.tsx";
import { readFilter } from "./read-filter.ts";
import { countedOf, Matched } from "./matched.tsx";
import { ResolveAllPage, ResolvePage } from "./resolve-page.tsx";

const frame = { title: "Meter events", place: "events" } as const;
/** The ids of `resolvedMax` events, the filters, and a reason. */
const resolveAllBytesMax = 65_536;
const askedSchema = z
  .string()
  .transform((text) => text.split(" "))
  .pipe(z.array(z.uuid()).max(resolvedMax));

/** Adds Retry, of one meter event or all that match, and Resolve. */
export function mountMeterEventActions(app: ConsoleApp, parts: ConsoleParts): void {
  // First, since `retry` and `resolve` would be ids otherwise.
  mountRetryAll(app, parts);
  mountResolveAll(app, parts);
  mountRetryOne(app, parts);
  mountResolve(app, parts);
}

function mountRetryAll(app: ConsoleApp, { db, boss }: ConsoleParts): void {
  app.get("/meter-events/retry", async (c) => {
    requireAdmin(c);
    const { fields, match } = await readRetry(db, c.req.query());
    const matched = await countMeterEvents(db, match);
    const page = (
      <ConfirmPage
        question={`Retry ${countedOf(matched, `${match.state} meter event`)}?`}
        action={`${eventsPath}/retry`}
        back={withQuery(eventsPath, fields)}
        verb="Retry"
        fields={fields}
      >
        <Matched fields={fields} matched={matched} />
        <p>
          Each is attempted again under its own identifier, so that Stripe counts it once. One that Stripe may
          have counted and forgotten since goes in doubt in place of being sent. There is no way back.
        </p>
        {matched.count > retriedMax && (
          <p>The first {inDigits(retriedMax)} of them; repeat it for the rest.</p>
        )}
      </ConfirmPage>
    );
    return askFirst(c, frame, page);
  });

  app.post("/meter-events/retry", async (c) => {
    requireAdmin(c);
    const { fields, match } = await readRetry(db, definedOf(await readForm(c)));
    const affected = await act(
      { c, db },
      (trx) => retryMeterEvents({ db: trx, boss }, match),
      (count) => actionOnAll("retry_meter_events", match, { affected: count }),
    );
    return c.redirect(withQuery(eventsPath, { ...fields, did: "retried", n: String(affected) }), 303);
  });
}

function mountResolveAll(app: ConsoleApp, { db, boss }: ConsoleParts): void {
  app.get("/meter-events/resolve", async (c) => {
    requireAdmin(c);
    const { fields, match } = await readDoubt(db, c.req.query());
    const asked = await chooseMeterEvents(db, match, resolvedMax);
    const matched = await countMeterEvents(db, match);
    return askFirst(c, frame, <ResolveAllPage fields={fields} asked={asked} matched={matched} />);
  });

  app.post("/meter-events/resolve", async (c) => {
    requireAdmin(c);
    const form = definedOf(await readForm(c, { bytesMax: resolveAllBytesMax }));
    const resolution = resolutionOf(form);
    const { fields, match } = await readDoubt(db, form);
    const ids = askedOf(form);
    const { resolved } = await act(
      { c, db },
      (trx) => resolveMeterEvents({ db: trx, boss }, { ...match, ids }, resolution),
      ({ resolved: affected }) =>
        actionOnAll("resolve_meter_event", match, { affected, reason: resolution.reason }),
    );
    return c.redirect(withQuery(eventsPath, { ...fields, did: "resolved_all", n: String(resolved) }), 303);
  });
}

function mountRetryOne(app: ConsoleApp, { db, boss }: ConsoleParts): void {
  app.get("/meter-events/:id/retry", async (c) => {
    requireAdmin(c);
    const event = await findEvent(db, c);
    const path = `${eventsPath}/${event.id}`;
    const page = (
      <ConfirmPage question="Retry this meter event?" action={`${path}/retry`} back={path} verb="Retry">
        <p>
          {counted(event.quantity, "unit")} of {event.meter} {event.quantity === 1 ? "is" : "are"} sent again.
          Stripe counts an identifier once.
        </p>
      </ConfirmPage>
    );
    return askFirst(c, frame, page);
  });

  app.post("/meter-events/:id/retry", async (c) => {
    requireAdmin(c);
    const event = await findEvent(db, c);
    const state = retriedStates.find((one) => one === event.state);
    if (state === undefined) throw wrongState(event, "only a rejected or a pending one can be retried");
    const affected = await act(
      { c, db },
      (trx) => retryMeterEvents({ db: trx, boss }, { id: event.id, state }),
      (count) =>
        count === 0 ? undefined : { action: "retry_meter_events", subject: event.id, affected: count },
    );
    return c.redirect(withQuery(`${eventsPath}/${event.id}`, { did: "retried", n: String(affected) }), 303);
  });
}

function mountResolve(app: ConsoleApp, { db, boss }: ConsoleParts): void {
  app.get("/meter-events/:id/resolve", async (c) => {
    requireAdmin(c);
    const event = await findEvent(db, c);
    return askFirst(c, frame, <ResolvePage event={event} sum={await findWindowSum(db, event)} />);
  });

  app.post("/meter-events/:id/resolve", async (c) => {
    requireAdmin(c);
    const resolution = resolutionOf(await readForm(c));
    const event = await findEvent(db, c);
    const { id } = event;
    const resolved = await act(
      { c, db },
      (trx) => resolveMeterEvent({ db: trx, boss }, id, resolution),
      (done) =>
        done === undefined
          ? undefined
          : { action: "resolve_meter_event", subject: id, reason: resolution.reason },
    );
    if (resolved === undefined) throw wrongState(event, "only one in doubt can be resolved");
    return c.redirect(withQuery(`${eventsPath}/${resolved.replacedBy ?? id}`, { did: "resolved" }), 303);
  });
}

async function findEvent(db: Db, c: ConsoleContext): Promise<MeterEvent> {
  const event = await findMeterEvent(db, eventIdOf(c));
  if (event === undefined) throw notFound("meter event");
  return event;
}

/** Which events are retried. A state is asked for, so that a forgotten filter does not retry everything. */
async function readRetry(db: Db, query: Record<string, string>) {
  const { by, fields } = await readFilter(db, query);
  const state = retriedStates.find((one) => one === by.state);
  if (state !== undefined) return { match: { ...by, state }, fields };
  const detail = "Only rejected or pending meter events can be retried.";
  throw new Problem({ status: 400, code: "invalid_request", detail });
}

/** The same of those that are resolved. */
async function readDoubt(db: Db, query: Record<string, string>) {
  const { by, fields } = await readFilter(db, query);
  if (by.state === "in_doubt") return { match: { ...by, state: by.state }, fields };
  const detail = "Only meter events in doubt can be resolved.";
  throw new Problem({ status: 400, code: "invalid_request", detail });
}

function resolutionOf(fields: Record<string, string | undefined>): Resolution {
  const parsed = z.object({ resolution: z.enum(resolutions) }).safeParse(fields);
  if (!parsed.success) throw invalidRequest("json", parsed.error.issues);
  return { ...parsed.data, reason: reasonOf(fields) };
}

/**
 * The events that the question was about. What came in doubt while its reader looked at Stripe's sums is none of them. Throws the
 * 400 for none.
 */
function askedOf({ asked }: Record<string, string | undefined>): string[] {
  const ids = askedSchema.safeParse(asked);
  if (ids.success) return ids.data;
  const detail = "The form does not say which meter events it asked about.";
  throw new Problem({ status: 400, code: "invalid_request", detail });
}

function wrongState({ state }: MeterEvent, detail: string): Problem {
  return new Problem({ status: 409, code: "wrong_state", detail: `The meter event is ${state}; ${detail}.` });
}

function definedOf(fields: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}

import { z } from "zod";
import type { ConsoleParts } from "../../api/console-parts.ts";
import { inboxCursor, renderStoredEvent } from "../../api/stripe-events/stored-event-answer.ts";
import { dismissStripeEvent, inboxStates, replayStripeEvent } from "../../billing/inbox.ts";
import { findStripeEvent, listStripeEvents, type StoredEvent } from "../../billing/list-stripe-events.ts";
import type { Db } from "../../database/db.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { invalidRequest } from "../../http/input-errors.ts";
import { toPage } from "../../http/page.ts";
import { notFound, Problem } from "../../http/problem.ts";
import type { ConsoleApp } from "../console-env.ts";
import { act, mayAct, reasonOf, requireAdmin } from "../forms/act.ts";
import { askFirst, ConfirmPage } from "../forms/confirm-page.tsx";
import { readForm } from "../forms/read-form.ts";
import { showPage } from "../layout/show-page.tsx";
import { DoneNotice } from "../parts/notice.tsx";
import { InboxPage, inboxPath, StripeEventPage } from "./inbox-pages.tsx";

const pageRows = 50;
const frame = { title: "Stripe events", place: "inbox" } as const;
const stateSchema = z.object({ state: z.enum(inboxStates).optional() });

/** Adds the webhook inbox, and the page of one event with Replay. */
export function mountInboxPages(app: ConsoleApp, { db, boss }: ConsoleParts): void {
  app.get("/stripe-events", async (c) => {
    const query = stateSchema.safeParse(c.req.query());
    if (!query.success) throw invalidRequest("query", query.error.issues);
    const { state } = query.data;
    const before = decodeCursor(c.req.query("cursor"), inboxCursor.schema);
    const rows = await listStripeEvents(db, { state, before, limit: pageRows + 1 });
    const { data, next_cursor: next } = toPage(rows, pageRows, inboxCursor.keyOf);
    const inbox = { events: data.map(renderStoredEvent), state, next };
    return showPage(c, frame, <InboxPage inbox={inbox} />);
  });

  app.get("/stripe-events/:id", async (c) => {
    const event = renderStoredEvent(await findEvent(db, c.req.param("id")));
    const page = (
      <>
        <DoneNotice did={c.req.query("did")} />
        <StripeEventPage event={event} mayAct={mayAct(c)} />
      </>
    );
    return showPage(c, { ...frame, title: event.type }, page);
  });

  app.get("/stripe-events/:id/replay", async (c) => {
    requireAdmin(c);
    const { id, type, state } = await findEvent(db, c.req.param("id"));
    const path = `${inboxPath}/${encodeURIComponent(id)}`;
    const page = (
      <ConfirmPage question="Replay this event?" action={`${path}/replay`} back={path} verb="Replay">
        <p>
          {type} is {state}. A worker handles it once more; an event takes effect once.
        </p>
      </ConfirmPage>
    );
    return askFirst(c, frame, page);
  });

  app.post("/stripe-events/:id/replay", async (c) => {
    requireAdmin(c);
    const { id, state } = await findEvent(db, c.req.param("id"));
    const isReplayed = await act(
      { c, db },
      (trx) => replayStripeEvent({ db: trx, boss }, id),
      (isDone) => (isDone ? { action: "replay_stripe_event", subject: id, affected: 1 } : undefined),
    );
    const detail = `The event is ${state}; only a failed, refused or dismissed one can be replayed.`;
    if (!isReplayed) throw new Problem({ status: 409, code: "not_replayable", detail });
    return c.redirect(`${inboxPath}/${encodeURIComponent(id)}?did=replayed`, 303);
  });
  mountDismiss(app, db);
}

function mountDismiss(app: ConsoleApp, db: Db): void {
  app.get("/stripe-events/:id/dismiss", async (c) => {
    requireAdmin(c);
    const { id, type, state, error } = await findEvent(db, c.req.param("id"));
    const path = `${inboxPath}/${encodeURIComponent(id)}`;
    const page = (
      <ConfirmPage
        question="Dismiss this event?"
        action={`${path}/dismiss`}
        back={path}
        verb="Dismiss"
        needsReason
      >
        <p>
          {type} is {state}
          {error === null ? "" : `: ${error}`}. 1 event is put aside without effect, and doctor and the alerts
          say no more of it. The way back is Replay.
        </p>
      </ConfirmPage>
    );
    return askFirst(c, frame, page);
  });

  app.post("/stripe-events/:id/dismiss", async (c) => {
    requireAdmin(c);
    const reason = reasonOf(await readForm(c));
    const { id, state } = await findEvent(db, c.req.param("id"));
    const isDismissed = await act(
      { c, db },
      (trx) => dismissStripeEvent(trx, id, reason),
      (isDone) => (isDone ? { action: "dismiss_stripe_event", subject: id, reason, affected: 1 } : undefined),
    );
    const detail = `The event is ${state}; only a failed or refused one can be dismissed.`;
    if (!isDismissed) throw new Problem({ status: 409, code: "not_dismissable", detail });
    return c.redirect(`${inboxPath}/${encodeURIComponent(id)}?did=dismissed`, 303);
  });
}

async function findEvent(db: Db, id: string): Promise<StoredEvent> {
  const event = await findStripeEvent(db, id);
  if (event === undefined) throw notFound("Stripe event");
  return event;
}

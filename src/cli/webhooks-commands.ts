import { actAs } from "../actions/operator-actions.ts";
import { type Command, Option } from "commander";
import { dismissStripeEvent, type InboxState, inboxStates, replayStripeEvent } from "../billing/inbox.ts";
import { findStripeEvent, listStripeEvents, type StoredEvent } from "../billing/list-stripe-events.ts";
import { inboxCursor, renderStoredEvent } from "../api/stripe-events/stored-event-answer.ts";
import type { CommandTools } from "./command-tools.ts";
import type { Outcome } from "./outcome.ts";
import { type PageOptions, showPage, withPages } from "./paging.ts";
import { parsedBy } from "./parsed-by.ts";
import { reasonSchema } from "./reason.ts";
import type { Run } from "./run.ts";
import { textFields, textTable } from "./text-table.ts";

type InboxFilter = PageOptions & { state?: InboxState };

const noSuchEvent = { kind: "failed", message: "there is no such event in the inbox" } as const;

/** Adds `webhooks list`, `show`, `replay` and `dismiss`. */
export function addWebhooksCommands(program: Command, run: Run): void {
  const webhooks = program.command("webhooks").description("the webhook inbox: what Stripe sent");
  withPages(webhooks.command("list"))
    .description("list Stripe's events, the newest first; failed is the dead letter")
    .addOption(new Option("--state <state>", "only those in this state").choices(inboxStates))
    .action((filter: InboxFilter) => run((tools) => list(tools, filter)));
  webhooks
    .command("show")
    .description("show one of Stripe's events with its payload; secrets in it are hidden")
    .argument("<event-id>", "Stripe's id, such as evt_123")
    .action((id: string) => run((tools) => show(tools, id)));
  webhooks
    .command("replay")
    .description("give a failed, refused or dismissed event another try")
    .argument("<event-id>", "Stripe's id, such as evt_123")
    .action((id: string) => run((tools) => replay(tools, id)));
  webhooks
    .command("dismiss")
    .description("put a failed or refused event aside: it needs no effect here")
    .argument("<event-id>", "Stripe's id, such as evt_123")
    .requiredOption("--reason <reason>", "why; kept with the event", parsedBy(reasonSchema))
    .action((id: string, { reason }: { reason: string }) => run((tools) => dismiss(tools, id, reason)));
}

/** The document is that of `GET /v1/stripe-events`. */
function list({ db }: CommandTools, filter: InboxFilter): Promise<Outcome> {
  return showPage(
    filter,
    {
      ...inboxCursor,
      read: (before, limit) => listStripeEvents(db, { state: filter.state, before, limit }),
    },
    (page) => ({ document: { ...page, data: page.data.map(renderStoredEvent) }, text: table(page.data) }),
  );
}

function table(events: readonly StoredEvent[]): string {
  return textTable(
    ["ID", "TYPE", "STATE", "ATTEMPTS", "RECEIVED", "HANDLED", "ERROR"],
    events.map(({ id, type, state, attempts, receivedAt, handledAt, error }) => [
      id,
      type,
      state,
      attempts,
      receivedAt,
      handledAt,
      error,
    ]),
  );
}

/** The document is that of `GET /v1/stripe-events/{id}`. */
async function show({ db }: CommandTools, id: string): Promise<Outcome> {
  const event = await findStripeEvent(db, id);
  if (event === undefined) return noSuchEvent;
  const { payload, ...fields } = renderStoredEvent(event);
  return {
    kind: "done",
    document: { ...fields, payload },
    text: `${textFields(Object.entries(fields))}\n\n${JSON.stringify(payload, null, 2)}`,
  };
}

/** As `POST /v1/stripe-events/{id}/replay` does. */
async function replay(tools: CommandTools, id: string): Promise<Outcome> {
  const { db } = tools;
  const boss = await tools.openBoss();
  const isReplayed = await actAs(
    tools,
    (trx) => replayStripeEvent({ db: trx, boss }, id),
    (isDone) => (isDone ? { action: "replay_stripe_event", subject: id } : undefined),
  );
  if (isReplayed) {
    return { kind: "done", document: { replayed: 1 }, text: "it will be handled again" };
  }
  const event = await findStripeEvent(db, id);
  if (event === undefined) return noSuchEvent;
  const message = `the event is ${event.state}; only a failed, refused or dismissed one can be replayed`;
  return { kind: "failed", message };
}

/** The document is that of `POST /v1/stripe-events/{id}/dismiss`. */
async function dismiss(tools: CommandTools, id: string, reason: string): Promise<Outcome> {
  const isDismissed = await actAs(
    tools,
    (trx) => dismissStripeEvent(trx, id, reason),
    (isDone) => (isDone ? { action: "dismiss_stripe_event", subject: id, reason } : undefined),
  );
  const event = await findStripeEvent(tools.db, id);
  if (event === undefined) return noSuchEvent;
  if (isDismissed) return { kind: "done", document: renderStoredEvent(event), text: "it is dismissed" };
  const message = `the event is ${event.state}; only a failed or refused one can be dismissed`;
  return { kind: "failed", message };
}

import type { renderStoredEvent } from "../../api/stripe-events/stored-event-answer.ts";
import { inboxStates } from "../../billing/inbox.ts";
import { type Column, DataTable } from "../parts/data-table.tsx";
import { NextPage, withQuery } from "../parts/next-page.tsx";
import { StateBadge } from "../parts/state-badge.tsx";
import { When } from "../parts/when.tsx";

export const inboxPath = "/console/stripe-events";

/** An event as the API shows it, with what opens something hidden. */
export type ShownEvent = ReturnType<typeof renderStoredEvent>;
export type Inbox = { events: readonly ShownEvent[]; state: string | undefined; next: string | null };

/** What Stripe told us, the latest first, of one state or all. */
export function InboxPage({ inbox: { events, state, next } }: { inbox: Inbox }) {
  return (
    <>
      <h1>Stripe events</h1>
      <nav aria-label="States">
        <ul class="row">
          {[undefined, ...inboxStates].map((one) => (
            <li>
              <a
                href={withQuery(inboxPath, { state: one })}
                aria-current={one === state ? "true" : undefined}
              >
                {one ?? "all"}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      {events.length === 0 ? (
        <p class="empty">
          {state === undefined
            ? "Stripe has sent nothing yet. Its webhook endpoint leads to POST /webhooks/stripe."
            : `No event is ${state}.`}
        </p>
      ) : (
        <DataTable caption="Events, the latest first" hidesCaption columns={columns} rows={events} />
      )}
      <NextPage path={inboxPath} query={{ state }} cursor={next} />
    </>
  );
}

const columns: Column<ShownEvent>[] = [
  {
    head: "Event",
    kind: "name",
    cell: ({ id, type }) => <a href={`${inboxPath}/${encodeURIComponent(id)}`}>{type}</a>,
  },
  { head: "Id", kind: "mono", cell: ({ id }) => id },
  {
    head: "State",
    cell: ({ state, error }) => (
      <>
        <StateBadge state={state} />
        {error !== null && <p class="small">{error}</p>}
      </>
    ),
  },
  { head: "Received", cell: ({ received_at: at }) => <When at={at} /> },
  { head: "Handled", cell: ({ handled_at: at }) => <When at={at} none="not yet" /> },
];

const effects: Record<string, string> = {
  pending: "Nothing yet: it waits for a worker, or for its next attempt.",
  handled: "It took effect once, in one transaction with its mark.",
  failed: "Nothing: it could not be handled. Mend the cause and replay it.",
  refused: "Nothing: it is of the other mode (live or test) than the key.",
  dismissed: "Nothing: an operator dismissed it.",
};

/** One event: what it did, what went wrong, and what Stripe sent. */
export function StripeEventPage({ event, mayAct }: { event: ShownEvent; mayAct: boolean }) {
  const path = `${inboxPath}/${encodeURIComponent(event.id)}`;
  const { payload, ...told } = event;
  const facts = Object.entries(told).filter(
    ([name, value]) => value !== null || !name.startsWith("dismissed"),
  );
  const isReplayed = ["failed", "refused", "dismissed"].includes(event.state);
  const isDismissed = ["failed", "refused"].includes(event.state);
  return (
    <>
      <h1>
        {event.type} <StateBadge state={event.state} />
      </h1>
      {mayAct && isReplayed && (
        <p class="row">
          <a class="button main" href={`${path}/replay`}>
            Replay
          </a>
          {isDismissed && (
            <a class="button" href={`${path}/dismiss`}>
              Dismiss
            </a>
          )}
        </p>
      )}
      <dl class="facts">
        <div>
          <dt>What it did</dt>
          <dd>{effects[event.state]}</dd>
        </div>
        {facts.map(([name, value]) => (
          <div>
            <dt>{name.replaceAll("_", " ")}</dt>
            <dd>
              {name.endsWith("_at") ? <When at={value === null ? null : String(value)} /> : (value ?? "none")}
            </dd>
          </div>
        ))}
      </dl>
      <section aria-label="Payload">
        <h2>What Stripe sent</h2>
        <pre class="payload" tabindex={0}>
          {JSON.stringify(payload, null, 2)}
        </pre>
        <p class="small">What opens something, such as a key or a client secret, is hidden.</p>
      </section>
    </>
  );
}

import type { ComparedWindow } from "../../reconciliation/compared-windows.ts";
import type { Look } from "../../reconciliation/looks.ts";
import { subtractQuantity } from "../../usage/quantity.ts";
import { eventsPath } from "../meter-events/events-page.tsx";
import { FactList } from "../parts/fact-list.tsx";
import { type Column, DataTable, None } from "../parts/data-table.tsx";
import { counted, decimalInDigits } from "../parts/figures.ts";
import { withQuery } from "../parts/next-page.tsx";
import { StateBadge } from "../parts/state-badge.tsx";
import { When } from "../parts/when.tsx";
import { booksOf } from "./books-paths.ts";
import { LookTable, settlingWords } from "./look-table.tsx";

export type WindowView = {
  organizationId: string;
  name: string;
  look: ComparedWindow;
  /** Looks at parts of it, the widest first. */
  parts: readonly Look[];
  hasMoreParts: boolean;
};

type WindowEvent = NonNullable<ComparedWindow["events"]>[number];

/** One window that was compared: the parts of a wide one, and of an hour our meter events with what Stripe said. */
export function WindowPage({ view }: { view: WindowView }) {
  const { organizationId, name, look, parts, hasMoreParts } = view;
  return (
    <>
      <h1>
        {look.meter} of {name} <StateBadge state={look.result} />
      </h1>
      <Facts look={look} />
      {parts.length > 0 && (
        <section aria-label="Parts">
          <h2>Inside it</h2>
          <LookTable looks={parts} caption="Days and hours that were compared, the widest first" />
          {hasMoreParts && <p class="small">Only these are shown.</p>}
        </section>
      )}
      <Events view={view} />
      <ul class="row">
        <li>
          <a class="button" href={listOf(organizationId, look)}>
            All meter events of these hours
          </a>
        </li>
        <li>
          <a class="button" href={booksOf(organizationId)}>
            Its books
          </a>
        </li>
      </ul>
    </>
  );
}

/** The list of meter events narrows by hours, as its form sends them. */
function listOf(organization: string, { meter, start, end }: ComparedWindow): string {
  const hour = (at: string) => at.slice(0, 16);
  return withQuery(eventsPath, { organization, meter, from: `${start.slice(0, 13)}:00`, to: hour(end) });
}

function Facts({ look }: { look: ComparedWindow }) {
  const facts = [
    ["From", <When at={look.start} />],
    ["to", <When at={look.end} />],
    ["Ours, certainly at Stripe", decimalInDigits(look.ours)],
    ["May be there, too", decimalInDigits(look.doubtful)],
    ["Stripe's sum", decimalInDigits(look.theirs)],
    ["Difference", <strong>{decimalInDigits(subtractQuantity(look.ours, look.theirs))}</strong>],
    ...(look.reason === null ? [] : [["Why not yet", settlingWords[look.reason]] as const]),
    ["Stripe customer", <code>{look.stripe_customer_id}</code>],
    ["Read", <When at={look.read_at} />],
  ] as const;
  return <FactList facts={facts} />;
}

function Events({ view: { look, parts } }: { view: WindowView }) {
  const { events } = look;
  if (events === undefined) {
    if (parts.length > 0 || look.result === "equal") return null;
    return <p class="small">Its days and hours were not compared yet: compare the period.</p>;
  }
  return (
    <section aria-label="Our meter events">
      <h2>{counted(events.length, "meter event")} of ours</h2>
      {events.length === 0 ? (
        <p class="empty">
          We sent nothing for these minutes. Another program sends usage for this customer, if Stripe has
          some.
        </p>
      ) : (
        <DataTable
          caption="Our meter events of it, the oldest first"
          hidesCaption
          columns={columns}
          rows={events}
        />
      )}
    </section>
  );
}

const columns: Column<WindowEvent>[] = [
  {
    head: "At",
    kind: "name",
    cell: ({ id, event_at: at }) => (
      <a href={`${eventsPath}/${id}`}>
        <When at={at} />
      </a>
    ),
  },
  { head: "Quantity", kind: "figure", cell: ({ quantity }) => decimalInDigits(quantity) },
  { head: "State", cell: ({ state }) => <StateBadge state={state} /> },
  { head: "Delivered", cell: ({ delivered_at: at }) => <When at={at} none="not yet" /> },
  { head: "Why", cell: ({ reason }) => reason?.replaceAll("_", " ") ?? <None /> },
  { head: "Attempts", cell: ({ attempts }) => <Attempts attempts={attempts} /> },
  { head: "Stripe's words", cell: ({ last_error: words }) => words ?? <None /> },
];

function Attempts({ attempts }: Pick<WindowEvent, "attempts">) {
  const last = attempts.at(-1);
  if (last === undefined) return <None />;
  return (
    <>
      {counted(attempts.length, "attempt")}, the last {last.verdict.replaceAll("_", " ")}
      {last.stripe_request_id !== null && <p class="small mono">{last.stripe_request_id}</p>}
    </>
  );
}

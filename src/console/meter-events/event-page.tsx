import type { Explanation } from "../../api/meter-events/explain-meter-event.ts";
import type { EventReading } from "../../outbox/event-readings.ts";
import type { Entry } from "../../outbox/entries.ts";
import { type Column, DataTable, None } from "../parts/data-table.tsx";
import { counted, inDigits } from "../parts/figures.ts";
import { NextPage } from "../parts/next-page.tsx";
import { StateBadge } from "../parts/state-badge.tsx";
import { When } from "../parts/when.tsx";
import { eventsPath } from "./events-page.tsx";
import { Attempts } from "./attempts.tsx";
import { WindowSumPart } from "./window-sum.tsx";

export type Story = Explanation & {
  organizationName: string | undefined;
  readings: readonly EventReading[];
  nextReadings: string | null;
  isLive: boolean;
  mayAct: boolean;
};

const entriesShownMax = 100;

/** A meter event's whole story: what it bills, who pays, what Stripe said, and what can be done. */
export function EventPage({ story }: { story: Story }) {
  const { event } = story;
  return (
    <>
      <h1>
        {counted(event.quantity, "unit")} of {event.meter} <StateBadge state={event.state} />
      </h1>
      <EventActions story={story} />
      <EventFacts story={story} />
      <Attempts {...story} />
      <WindowSumPart event={event} sum={story.windowSum} />
      <Entries story={story} />
      <Readings story={story} />
    </>
  );
}

function EventActions({ story: { event, mayAct } }: { story: Story }) {
  if (!mayAct) return null;
  const path = `${eventsPath}/${event.id}`;
  return (
    <>
      {(event.state === "rejected" || event.state === "pending") && (
        <p>
          <a class="button main" href={`${path}/retry`}>
            Retry
          </a>
        </p>
      )}
      {event.state === "in_doubt" && (
        <p>
          <a class="button main" href={`${path}/resolve`}>
            Resolve
          </a>
        </p>
      )}
    </>
  );
}

function EventFacts({ story: { event, organizationName } }: { story: Story }) {
  const why = event.reason ?? event.waitsFor;
  return (
    <dl class="facts">
      <Fact name="Organization">
        <a href={`/console/organizations/${event.organizationId}`}>
          {organizationName ?? event.organizationId}
        </a>
      </Fact>
      <Fact name="Stripe customer">{event.stripeCustomerId}</Fact>
      <Fact name="Hour">
        <When at={event.hour} />
      </Fact>
      <Fact name="Sealed">
        <When at={event.sealedAt} />
      </Fact>
      <Fact name="Delivered">
        <When at={event.deliveredAt} none="not yet" />
      </Fact>
      {why !== null && <Fact name="Why">{why.replaceAll("_", " ")}</Fact>}
      {event.nextAttemptAt !== null && (
        <Fact name="Next attempt">
          <When at={event.nextAttemptAt} />
        </Fact>
      )}
      {event.lastError !== null && <Fact name="Stripe's words">{event.lastError}</Fact>}
      {event.resolutionReason !== null && <Fact name="Resolved because">{event.resolutionReason}</Fact>}
      {event.replacesId !== null && (
        <Fact name="Sends again the usage of">
          <a href={`${eventsPath}/${event.replacesId}`}>{event.replacesId}</a>
        </Fact>
      )}
      <Fact name="Identifier at Stripe">
        <code>{event.id}</code>
      </Fact>
    </dl>
  );
}

function Fact({ name, children }: { name: string; children?: unknown }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Entries({ story: { entries, event, dropped } }: { story: Story }) {
  if (dropped.includes("entries")) {
    return <p class="small">Its entries, and so its readings, are so old that they are not kept any more.</p>;
  }
  const shown = entries.slice(0, entriesShownMax);
  return (
    <section aria-label="Entries">
      <h2>{counted(event.entryCount, "entry", "entries")}</h2>
      <DataTable caption="What it folds, the oldest first" hidesCaption columns={entryColumns} rows={shown} />
      {entries.length > shown.length && (
        <p class="small">
          The first {inDigits(shown.length)}; <code>meter-outbox explain --json</code> tells more of them.
        </p>
      )}
    </section>
  );
}

const entryColumns: Column<Entry>[] = [
  { head: "Arrived", cell: ({ occurredAt }) => <When at={occurredAt} /> },
  { head: "Quantity", kind: "figure", cell: ({ quantity }) => inDigits(quantity) },
  { head: "Idempotency key", cell: ({ idempotencyKey }) => idempotencyKey ?? <None /> },
  { head: "Entry", kind: "mono", cell: ({ id }) => id },
];

function Readings({ story: { event, readings, nextReadings } }: { story: Story }) {
  if (readings.length === 0) return null;
  return (
    <section aria-label="Readings">
      <h2>Readings</h2>
      <DataTable caption="The readings that it bills" hidesCaption columns={readingColumns} rows={readings} />
      <NextPage path={`${eventsPath}/${event.id}`} query={{}} cursor={nextReadings} />
    </section>
  );
}

const readingColumns: Column<EventReading>[] = [
  { head: "Sensor", kind: "name", cell: ({ sensorId }) => sensorId },
  { head: "Recorded", cell: ({ recordedAt }) => <When at={recordedAt} /> },
  { head: "Temperature", kind: "figure", cell: ({ temperature }) => `${temperature} °C` },
];

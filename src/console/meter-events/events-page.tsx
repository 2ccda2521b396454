import type { Child } from "hono/jsx";
import type { MeterEvent } from "../../delivery/meter-events.ts";
import { meterEventStates } from "../../delivery/meter-event-states.ts";
import { meterNames } from "../../usage/meters.ts";
import { type Column, DataTable, None } from "../parts/data-table.tsx";
import { inDigits } from "../parts/figures.ts";
import { NextPage, withQuery } from "../parts/next-page.tsx";
import { StateBadge } from "../parts/state-badge.tsx";
import { When } from "../parts/when.tsx";
import type { Narrowed } from "./read-filter.ts";

export const eventsPath = "/console/meter-events";

export type EventList = {
  events: readonly MeterEvent[];
  names: ReadonlyMap<string, string>;
  next: string | null;
  fields: Narrowed["fields"];
  mayAct: boolean;
};

/** Meter events, the newest first, narrowed by what the form says. */
export function EventsPage({ list }: { list: EventList }) {
  const { events, names, next, fields } = list;
  return (
    <>
      <h1>Meter events</h1>
      <FilterForm fields={fields} />
      <ActOnAll list={list} />
      {events.length === 0 ? (
        <p class="empty">
          No meter event is like this. One is made for each organization, meter and hour with usage, when it
          is sealed.
        </p>
      ) : (
        <DataTable
          caption="Meter events, the newest first"
          hidesCaption
          columns={columnsOf(names)}
          rows={events}
        />
      )}
      <NextPage path={eventsPath} query={fields} cursor={next} />
    </>
  );
}

function columnsOf(names: EventList["names"]): Column<MeterEvent>[] {
  return [
    {
      head: "Hour",
      kind: "name",
      cell: ({ id, hour }) => (
        <a href={`${eventsPath}/${id}`}>
          <When at={hour} />
        </a>
      ),
    },
    { head: "Organization", cell: ({ organizationId }) => names.get(organizationId) ?? organizationId },
    { head: "Meter", cell: ({ meter }) => meter },
    { head: "Quantity", kind: "figure", cell: ({ quantity }) => inDigits(quantity) },
    { head: "State", cell: ({ state }) => <StateBadge state={state} /> },
    { head: "Why", cell: ({ reason, waitsFor }) => (reason ?? waitsFor)?.replaceAll("_", " ") ?? <None /> },
    { head: "Stripe's words", cell: ({ lastError }) => lastError ?? <None /> },
  ];
}

function FilterForm({ fields }: { fields: Narrowed["fields"] }) {
  return (
    <form method="get" action={eventsPath} class="filters" aria-label="Narrow the list">
      <Choice name="state" label="State" among={meterEventStates} chosen={fields.state} />
      <Choice name="meter" label="Meter" among={meterNames} chosen={fields.meter} />
      <Field label="Organization">
        <input name="organization" value={fields.organization ?? ""} placeholder="id or external:…" />
      </Field>
      <Field label="Hours from (UTC)">
        <input type="datetime-local" name="from" value={fields.from ?? ""} />
      </Field>
      <Field label="to before (UTC)">
        <input type="datetime-local" name="to" value={fields.to ?? ""} />
      </Field>
      <Field label="Why, or Stripe's words">
        <input name="words" value={fields.words ?? ""} maxlength={200} />
      </Field>
      <div class="row">
        <button type="submit" class="main">
          Show
        </button>
        <a class="button" href={eventsPath}>
          All
        </a>
      </div>
    </form>
  );
}

type ChoiceProps = { name: string; label: string; among: readonly string[]; chosen: string | undefined };

function Choice({ name, label, among, chosen }: ChoiceProps) {
  return (
    <Field label={label}>
      <select name={name}>
        <option value="">any</option>
        {among.map((one) => (
          <option value={one} selected={one === chosen}>
            {one.replaceAll("_", " ")}
          </option>
        ))}
      </select>
    </Field>
  );
}

function Field({ label, children }: { label: string; children?: Child }) {
  return (
    <label>
      {label}
      {children}
    </label>
  );
}

/** What can be done to all that match, where their state is one that something can be done to. */
function ActOnAll({ list: { fields, events, mayAct } }: { list: EventList }) {
  const { state } = fields;
  if (!mayAct || events.length === 0) return null;
  const [act, words] =
    state === "rejected" || state === "pending"
      ? ["retry", "Retry all of these"]
      : state === "in_doubt"
        ? ["resolve", "Resolve all of these"]
        : [];
  if (act === undefined) return null;
  return (
    <p>
      <a class="button" href={withQuery(`${eventsPath}/${act}`, fields)}>
        {words}
      </a>
    </p>
  );
}

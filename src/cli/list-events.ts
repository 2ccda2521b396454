import { z } from "zod";
import type { MeterEventState } from "../delivery/meter-event-states.ts";
import { listMeterEvents, type MeterEvent } from "../delivery/meter-events.ts";
import { renderMeterEvent } from "../api/meter-events/meter-event-answer.ts";
import type { CommandTools } from "./command-tools.ts";
import { type MatchOptions, readMatch } from "./match-options.ts";
import { noSuchOrganization } from "./organization-argument.ts";
import type { Outcome } from "./outcome.ts";
import { type PageOptions, showPage } from "./paging.ts";
import { textTable } from "./text-table.ts";

export type EventFilter = PageOptions & MatchOptions & { state?: MeterEventState };

/** Lists meter events, the newest first; the document is that of `GET /v1/meter-events`. */
export async function listEvents({ db }: CommandTools, filter: EventFilter): Promise<Outcome> {
  const { state } = filter;
  const match = await readMatch(db, filter);
  if (match === undefined) return noSuchOrganization;
  return showPage(
    filter,
    {
      schema: z.tuple([z.uuid()]),
      keyOf: ({ id }: MeterEvent) => [id],
      read: (after, limit) => listMeterEvents(db, { ...match, state, before: after?.[0], limit }),
    },
    (page) => ({ document: { ...page, data: page.data.map(renderMeterEvent) }, text: eventTable(page.data) }),
  );
}

function eventTable(events: readonly MeterEvent[]): string {
  return textTable(
    ["ID", "ORGANIZATION", "METER", "HOUR", "QUANTITY", "STATE", "REASON", "ATTEMPTS"],
    events.map((event) => [
      event.id,
      event.organizationId,
      event.meter,
      event.hour.toISOString(),
      event.quantity,
      event.state,
      event.reason,
      event.attemptsStarted,
    ]),
  );
}

import type { MeterEventState } from "../../delivery/meter-event-states.ts";
import { listMeterEvents } from "../../delivery/meter-events.ts";
import { findOrganizationId } from "../../http/organization-reference.ts";
import type { MeterName } from "../../usage/meters.ts";
import { renderMeterEvent } from "../meter-event-answer.ts";
import type { CommandTools } from "./command-tools.ts";
import { noSuchOrganization } from "./organization-argument.ts";
import type { Outcome } from "./outcome.ts";
import { textTable } from "./text-table.ts";

export type EventFilter = {
  state?: MeterEventState;
  organization?: string;
  meter?: MeterName;
  limit: number;
};

/** Lists meter events, the newest first, and says whether there are more than `limit`. */
export async function listEvents({ db }: CommandTools, filter: EventFilter): Promise<Outcome> {
  const { state, organization, meter, limit } = filter;
  const organizationId = organization && (await findOrganizationId(db, organization));
  if (organization !== undefined && organizationId === undefined) return noSuchOrganization;
  const found = await listMeterEvents(db, {
    state,
    organizationId,
    meter,
    before: undefined,
    limit: limit + 1,
  });
  const events = found.slice(0, limit);
  const hasMore = found.length > limit;
  const table = textTable(
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
  return {
    kind: "done",
    document: { data: events.map(renderMeterEvent), has_more: hasMore },
    text: hasMore ? `${table}\nthere are more; --limit shows up to 500` : table,
  };
}

import type { Kysely } from "kysely";
import type { DB } from "../../database/schema.ts";
import { meterEventStates } from "../../delivery/meter-event-states.ts";
import { type DeliveryReport, reportMeterEvents } from "../../delivery/meter-events.ts";
import { type Pause, readPauses } from "../../delivery/pauses.ts";
import { reportUnsealed, type UnsealedReport } from "../../outbox/report.ts";
import type { Outcome } from "./outcome.ts";
import { textTable } from "./text-table.ts";

type OutboxStatus = { unsealed: UnsealedReport; delivery: DeliveryReport; pauses: Pause[] };

/** Shows the whole outbox; the document is that of `GET /v1/outbox`. */
export async function showOutbox(db: Kysely<DB>): Promise<Outcome> {
  const status = {
    unsealed: await reportUnsealed(db),
    delivery: await reportMeterEvents(db),
    pauses: await readPauses(db),
  };
  return { kind: "done", document: documentOf(status), text: textOf(status) };
}

function documentOf({ unsealed, delivery, pauses }: OutboxStatus) {
  return {
    unsealed: {
      entries: unsealed.entries,
      quantity: unsealed.quantity,
      oldest_at: unsealed.oldestAt?.toISOString() ?? null,
      held: unsealed.held,
    },
    meter_events: delivery.states,
    oldest_undelivered_at: delivery.oldestUndeliveredAt?.toISOString() ?? null,
    paused: pauses.map(({ scope, reason, pausedAt, until }) => ({
      scope,
      reason,
      since: pausedAt.toISOString(),
      until: until?.toISOString() ?? null,
    })),
  };
}

function textOf({ unsealed, delivery, pauses }: OutboxStatus): string {
  const entries = textTable(
    ["ENTRIES", "COUNT", "QUANTITY", "OLDEST"],
    [
      ["unsealed", unsealed.entries, unsealed.quantity, unsealed.oldestAt?.toISOString() ?? null],
      ["of them held", unsealed.held.entries, unsealed.held.quantity, null],
    ],
  );
  const events = textTable(
    ["METER EVENTS", "COUNT", "QUANTITY"],
    meterEventStates.map((state) => [state, delivery.states[state].count, delivery.states[state].quantity]),
  );
  const oldest = `oldest undelivered: ${delivery.oldestUndeliveredAt?.toISOString() ?? "-"}`;
  return [entries, `${events}\n${oldest}`, textOfPauses(pauses)].join("\n\n");
}

function textOfPauses(pauses: readonly Pause[]): string {
  if (pauses.length === 0) return "nothing is paused";
  return textTable(
    ["PAUSED", "REASON", "SINCE", "UNTIL"],
    pauses.map(({ scope, reason, pausedAt, until }) => [
      scope,
      reason,
      pausedAt.toISOString(),
      until?.toISOString() ?? "resumed",
    ]),
  );
}

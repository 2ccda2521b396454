import type { z } from "zod";
import type { Db } from "../database/db.ts";
import { meterEventStates } from "../delivery/meter-event-states.ts";
import { type outboxSchema, readOutbox } from "../api/outbox/outbox-answer.ts";
import type { Outcome } from "./outcome.ts";
import { textTable } from "./text-table.ts";

type Outbox = z.infer<typeof outboxSchema>;

/** Shows the whole outbox; the document is that of `GET /v1/outbox`. */
export async function showOutbox(db: Db): Promise<Outcome> {
  const outbox = await readOutbox(db);
  return { kind: "done", document: outbox, text: textOf(outbox) };
}

function textOf({
  unsealed,
  meter_events: states,
  oldest_undelivered_at: oldest,
  paused,
  shadow,
}: Outbox): string {
  const entries = textTable(
    ["ENTRIES", "COUNT", "QUANTITY", "OLDEST"],
    [
      ["unsealed", unsealed.entries, unsealed.quantity, unsealed.oldest_at],
      ["of them held", unsealed.held.entries, unsealed.held.quantity, null],
    ],
  );
  const events = textTable(
    ["METER EVENTS", "COUNT", "QUANTITY"],
    meterEventStates.map((state) => [state, states[state].count, states[state].quantity]),
  );
  const sending = shadow
    ? `nothing is sent on purpose: shadow mode\n${textOfPauses(paused)}`
    : textOfPauses(paused);
  return [entries, `${events}\noldest undelivered: ${oldest ?? "-"}`, sending].join("\n\n");
}

function textOfPauses(pauses: Outbox["paused"]): string {
  if (pauses.length === 0) return "nothing is paused";
  return textTable(
    ["PAUSED", "REASON", "SINCE", "UNTIL"],
    pauses.map(({ scope, reason, since, until }) => [scope, reason, since, until ?? "resumed"]),
  );
}

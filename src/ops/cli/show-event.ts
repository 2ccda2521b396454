import { findMeterEvent, listAttempts } from "../../delivery/meter-events.ts";
import { listEntriesOf } from "../../outbox/entries.ts";
import { renderAttempt, renderEntry, renderMeterEvent } from "../meter-event-answer.ts";
import type { CommandTools } from "./command-tools.ts";
import type { Outcome } from "./outcome.ts";
import { textFields, textTable } from "./text-table.ts";

/** An hour folds one entry a request: people see the first of them, machines all. */
const entriesShown = 20;

/** Shows a meter event; the document is that of `GET /v1/meter-events/{id}`. */
export async function showEvent({ db }: CommandTools, id: string): Promise<Outcome> {
  const event = await findMeterEvent(db, id);
  if (event === undefined) return { kind: "failed", message: "there is no such meter event" };
  const rendered = renderMeterEvent(event);
  const attempts = (await listAttempts(db, event)).map(renderAttempt);
  const stored = await listEntriesOf(db, { organizationId: event.organizationId, meterEventId: id });
  const entries = stored.map(renderEntry);
  return {
    kind: "done",
    document: { ...rendered, attempts, entries },
    text: [
      textFields(Object.entries(rendered)),
      textTable(
        ["ATTEMPT", "STARTED", "MS", "VERDICT", "STATUS", "MESSAGE", "REQUEST"],
        attempts.map((one) => [
          one.attempt,
          one.started_at,
          one.duration_ms,
          one.verdict,
          one.http_status,
          one.message,
          one.stripe_request_id,
        ]),
      ),
      textTable(
        ["ENTRY", "OCCURRED", "QUANTITY"],
        entries.slice(0, entriesShown).map((entry) => [entry.id, entry.occurred_at, entry.quantity]),
      ) + moreEntries(entries.length),
    ].join("\n\n"),
  };
}

function moreEntries(count: number): string {
  return count > entriesShown ? `\nand ${count - entriesShown} more` : "";
}

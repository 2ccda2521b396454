import { explainMeterEvent } from "../api/meter-events/explain-meter-event.ts";
import { renderExplanation } from "../api/meter-events/meter-event-answer.ts";
import type { CommandTools } from "./command-tools.ts";
import type { Outcome } from "./outcome.ts";
import { textFields, textTable } from "./text-table.ts";

/** An hour folds one entry a request: people see the first of them, machines more. */
const entriesShown = 20;

/** Shows a meter event; the document is that of `GET /v1/meter-events/{id}`. */
export async function showEvent({ db }: CommandTools, id: string): Promise<Outcome> {
  const explained = await explainMeterEvent(db, id);
  if (explained === undefined) return { kind: "failed", message: "there is no such meter event" };
  const document = renderExplanation(explained);
  const { attempts, entries, dropped, confirmation, evidence, ...rendered } = document;
  return {
    kind: "done",
    document,
    text: [
      textFields([
        ...Object.entries(rendered),
        ["confirmation", confirmation?.text ?? null],
        ["evidence", evidence?.text ?? null],
      ]),
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
      ) + (entries.length > entriesShown ? `\nand ${rendered.entry_count - entriesShown} more` : ""),
      ...(dropped.length > 0 ? [`not kept any more: ${dropped.join(", ")}`] : []),
    ].join("\n\n"),
  };
}

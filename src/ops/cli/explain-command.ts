import type { Command } from "commander";
import { z } from "zod";
import { explainWithReadings } from "../explain-meter-event.ts";
import { renderExplanation } from "../meter-event-answer.ts";
import { renderEventReading } from "../meter-event-readings-route.ts";
import type { CommandTools } from "./command-tools.ts";
import type { Outcome } from "./outcome.ts";
import { parsedBy } from "./parsed-by.ts";
import type { Run } from "./run.ts";
import { type Cell, textFields, textTable } from "./text-table.ts";

const readingsDefault = 50;
const readingsMax = 500;
/** An hour folds one entry a request: people see the first of them, machines all. */
const entriesShown = 20;

const parseId = parsedBy(z.uuid("must be a UUID"));
const parseReadings = parsedBy(
  z.coerce
    .number("must be a number")
    .int("must be a whole number")
    .min(1, "must be at least 1")
    .max(readingsMax, `must be at most ${readingsMax}`),
);

/** Adds `explain`. */
export function addExplainCommand(program: Command, run: Run): void {
  program
    .command("explain")
    .description("explain what Stripe billed: a meter event's requests, entries and readings")
    .argument("<meter-event-id>", "a UUID: the identifier that Stripe knows", parseId)
    .option("--readings <count>", `how many to show, 1 to ${readingsMax}`, parseReadings, readingsDefault)
    .action((id: string, { readings }: { readings: number }) =>
      run((tools) => explain(tools, id, { readingsMax: readings })),
    );
}

async function explain({ db }: CommandTools, id: string, limits: { readingsMax: number }): Promise<Outcome> {
  const explained = await explainWithReadings(db, id, limits);
  if (explained === undefined) return { kind: "failed", message: "there is no such meter event" };
  const { attempts, entries, dropped, ...event } = renderExplanation(explained);
  const readings = explained.readings.map(renderEventReading);
  const text = [
    textFields(Object.entries(event)),
    section(["REQUEST", "STARTED", "MS", "VERDICT", "STATUS", "STRIPE REQUEST"], {
      rows: attempts.map((one) => [
        one.attempt,
        one.started_at,
        one.duration_ms,
        one.verdict,
        one.http_status,
        one.stripe_request_id,
      ]),
    }),
    section(["ENTRY", "OCCURRED", "QUANTITY"], {
      rows: entries.slice(0, entriesShown).map((entry) => [entry.id, entry.occurred_at, entry.quantity]),
      more: entries.length > entriesShown ? `and ${entries.length - entriesShown} more` : undefined,
    }),
    section(["SENSOR", "RECORDED", "CELSIUS", "ENTRY"], {
      rows: readings.map((one) => [one.sensor_id, one.recorded_at, one.temperature, one.entry_id]),
      more:
        readings.length === limits.readingsMax
          ? `all of them: GET /v1/meter-events/${id}/readings`
          : undefined,
    }),
  ];
  if (dropped.length > 0) text.push(`not kept any more: ${dropped.join(", ")}`);
  return {
    kind: "done",
    document: { ...event, attempts, entries, dropped, readings },
    text: text.join("\n\n"),
  };
}

function section(
  headings: readonly string[],
  { rows, more }: { rows: readonly (readonly Cell[])[]; more?: string | undefined },
): string {
  const table = textTable(headings, rows);
  return more === undefined ? table : `${table}\n${more}`;
}

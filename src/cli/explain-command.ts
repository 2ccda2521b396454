import { type Command, Option } from "commander";
import { z } from "zod";
import { findRecordedUsage } from "../outbox/recorded-usage.ts";
import { explainWithReadings } from "../api/meter-events/explain-meter-event.ts";
import { renderExplanation } from "../api/meter-events/meter-event-answer.ts";
import { renderEventReading } from "../api/meter-events/meter-event-readings-route.ts";
import type { CommandTools } from "./command-tools.ts";
import { findOrganization, noSuchOrganization, parseOrganization } from "./organization-argument.ts";
import type { Outcome } from "./outcome.ts";
import { parsedBy } from "./parsed-by.ts";
import type { Run } from "./run.ts";
import { type Cell, textFields, textTable } from "./text-table.ts";
import { wholeNumberTo } from "./whole-number.ts";

const readingsDefault = 50;
const readingsMax = 500;
/** An hour folds one entry a request: people see the first of them, machines all. */
const entriesShown = 20;

const parseId = parsedBy(z.uuid("must be a UUID"));
const parseReadings = wholeNumberTo(readingsMax);

/** Adds `explain`. */
export function addExplainCommand(program: Command, run: Run): void {
  program
    .command("explain")
    .description("explain what Stripe billed: a meter event's requests, entries and readings")
    .argument("[meter-event-id]", "a UUID: the identifier that Stripe knows", parseId)
    .option("--idempotency-key <key>", "in its place: what record_usage was given")
    .addOption(
      new Option("--organization <organization>", "whose key it is, where several used the same").argParser(
        parseOrganization,
      ),
    )
    .option("--readings <count>", `how many to show, 1 to ${readingsMax}`, parseReadings, readingsDefault)
    .action((id: string | undefined, { readings, ...named }: { readings: number } & RecordedUnder) =>
      run((tools) => explainNamed(tools, { id, ...named }, { readingsMax: readings })),
    );
}

type RecordedUnder = { idempotencyKey?: string; organization?: string };

async function explainNamed(
  tools: CommandTools,
  { id, idempotencyKey, organization }: RecordedUnder & { id: string | undefined },
  limits: { readingsMax: number },
): Promise<Outcome> {
  if ((id === undefined) === (idempotencyKey === undefined)) {
    return { kind: "wrong_usage", message: "name either a meter event or an --idempotency-key" };
  }
  if (id !== undefined && organization !== undefined) {
    return { kind: "wrong_usage", message: "--organization is for an --idempotency-key" };
  }
  if (id !== undefined) return explain(tools, id, limits);
  const organizationId = organization && (await findOrganization(tools.db, organization));
  if (organization !== undefined && organizationId === undefined) return noSuchOrganization;
  const found = await findRecordedUsage(tools.db, { idempotencyKey: idempotencyKey ?? "", organizationId });
  const [recorded] = found;
  if (recorded === undefined) return { kind: "failed", message: "no usage was recorded under this key" };
  if (found.length > 1) {
    const whose = found.map((one) => one.organizationId).join(", ");
    const message = `several organizations used this key: name one of them with --organization (${whose})`;
    return { kind: "wrong_usage", message };
  }
  const { entryId, isKept, meterEventIds } = recorded;
  const [newest] = meterEventIds;
  if (newest !== undefined) return explain(tools, newest, limits);
  const state = isKept ? "is not sealed yet" : "is not kept any more";
  return { kind: "failed", message: `the usage of this key, the entry ${entryId}, ${state}` };
}

async function explain({ db }: CommandTools, id: string, limits: { readingsMax: number }): Promise<Outcome> {
  const explained = await explainWithReadings(db, id, limits);
  if (explained === undefined) return { kind: "failed", message: "there is no such meter event" };
  const { attempts, entries, dropped, confirmation, evidence, ...event } = renderExplanation(explained);
  const readings = explained.readings.map(renderEventReading);
  const text = [
    textFields([
      ...Object.entries(event),
      ["confirmation", confirmation?.text ?? null],
      ["evidence", evidence?.text ?? null],
    ]),
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
    section(["ENTRY", "OCCURRED", "QUANTITY", "IDEMPOTENCY KEY"], {
      rows: entries
        .slice(0, entriesShown)
        .map((entry) => [entry.id, entry.occurred_at, entry.quantity, entry.idempotency_key]),
      more: entries.length > entriesShown ? `and ${event.entry_count - entriesShown} more` : undefined,
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
    document: { ...event, attempts, entries, dropped, confirmation, evidence, readings },
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

import type { Command } from "commander";
import { z } from "zod";
import {
  renderStatement,
  type StatementAnswer,
  statementCsv,
  statementCsvHeading,
} from "../api/organizations/statement-answer.ts";
import { findPeriod, listPeriods, type BillingPeriod } from "../reconciliation/close/billing-periods.ts";
import { readStatement } from "../reconciliation/close/statement.ts";
import { listOrganizations } from "../organizations/organizations.ts";
import type { CommandTools } from "./command-tools.ts";
import { onOrganization, organizationHelp, parseOrganization } from "./organization-argument.ts";
import type { Outcome } from "./outcome.ts";
import { readAll } from "./paging.ts";
import { parsedBy } from "./parsed-by.ts";
import type { Run } from "./run.ts";
import { textTable } from "./text-table.ts";

// Of a text that neither form takes, zod tells the message of the time, not the union's.
const periodSchema = z.union([
  z.enum(["current", "last"]),
  z.iso.datetime({ offset: true, error: "must be current, last, or the start of a period (RFC 3339)" }),
]);
type StatementOptions = { organization?: string; period: z.infer<typeof periodSchema>; csv?: boolean };

/** Adds `statement`. */
export function addStatementCommand(program: Command, run: Run): void {
  program
    .command("statement")
    .description(
      "what was stored, sent, counted by Stripe and invoiced in a billing period, and their difference",
    )
    .option("--organization <organization>", `${organizationHelp}; left out, all of them`, parseOrganization)
    .option(
      "--period <period>",
      "current, last, or the start of one (RFC 3339)",
      parsedBy(periodSchema),
      "last",
    )
    .option("--csv", "print CSV")
    .action((options: StatementOptions) => run((tools) => showStatements(tools, options)));
}

async function showStatements(tools: CommandTools, options: StatementOptions): Promise<Outcome> {
  const { db } = tools;
  if (options.organization === undefined) {
    const all = await readAll((after, limit) =>
      listOrganizations(db, { after, limit, externalId: undefined, isArchived: undefined }),
    );
    return show(
      tools,
      all.map(({ id }) => id),
      options,
    );
  }
  return onOrganization(db, options.organization, (id) => show(tools, [id], options));
}

/** The document's `data` are those of `GET /v1/organizations/{id}/statements`. */
async function show(
  { db, now }: CommandTools,
  organizationIds: readonly string[],
  { period: wanted, csv: isCsv = false }: StatementOptions,
): Promise<Outcome> {
  const data: StatementAnswer[] = [];
  for (const id of organizationIds) {
    const period = await findWanted({ db, now }, id, wanted);
    if (period !== undefined) data.push(renderStatement(await readStatement(db, period)));
  }
  if (data.length === 0) return { kind: "failed", message: "there is no such billing period" };
  const text = isCsv ? statementCsvHeading + statementCsv(data) : data.map(inWords).join("\n\n");
  return { kind: "done", document: { data }, text };
}

const periodsRead = 10;

/** The last one is the newest that has ended. */
async function findWanted(
  { db, now }: Pick<CommandTools, "db" | "now">,
  id: string,
  wanted: StatementOptions["period"],
): Promise<BillingPeriod | undefined> {
  if (wanted !== "current" && wanted !== "last") return findPeriod(db, id, new Date(wanted));
  const newest = await listPeriods(db, id, { before: undefined, limit: periodsRead });
  const hasEnded = ({ end, closedAt }: BillingPeriod) => end <= now() || closedAt !== null;
  return newest.find((period) => hasEnded(period) === (wanted === "last"));
}

function inWords(statement: StatementAnswer): string {
  const { period, meters, invoice } = statement;
  const rows = meters.map((meter) => [
    meter.meter,
    meter.readings,
    meter.used,
    meter.sent,
    meter.stripe,
    meter.invoiced,
    meter.difference,
  ]);
  const reasons = meters.flatMap(({ meter, rows: its }) =>
    its.map((row) => [meter, row.kind, row.quantity, row.difference, row.hour, row.meter_event_id]),
  );
  return [
    `${statement.organization_id}  ${period.start} to ${period.end}`,
    `invoice ${invoice === null ? "none" : `${invoice.id} (${invoice.status})`}, ${statement.closed_at === null ? "not closed" : `closed ${statement.closed_at}`}`,
    textTable(["METER", "READINGS", "USED", "SENT", "STRIPE", "INVOICED", "DIFFERENCE"], rows),
    ...(reasons.length === 0
      ? []
      : [textTable(["METER", "REASON", "QUANTITY", "DIFFERENCE", "HOUR", "METER EVENT"], reasons)]),
  ].join("\n");
}

import { type Command, Option } from "commander";
import type { z } from "zod";
import type { UsageTotal } from "../outbox/usage-summary.ts";
import { granularities } from "../outbox/usage-buckets.ts";
import { meterNames } from "../usage/meters.ts";
import { askUsage, renderUsage, usageCsv, usageQuery } from "../api/usage/usage-answer.ts";
import {
  readSummaryPages,
  renderUsageTotal,
  summaryCsv,
  summaryCsvHeading,
} from "../api/usage/usage-summary-answer.ts";
import type { CommandTools } from "./command-tools.ts";
import { onOrganization, organizationHelp, parseOrganization } from "./organization-argument.ts";
import type { Outcome } from "./outcome.ts";
import type { Run } from "./run.ts";
import { textTable } from "./text-table.ts";

type UsageOptions = {
  meter: string;
  from?: string;
  to?: string;
  granularity?: string;
  timeZone?: string;
  csv?: boolean;
};

const summaryPageSize = 200;
const numbers = ["QUANTITY", "DELIVERED", "PENDING", "IN DOUBT", "REJECTED"];

/** Adds `usage`. */
export function addUsageCommand(program: Command, run: Run): void {
  program
    .command("usage")
    .description("usage by time of one organization, or one row for each of them")
    .argument("[organization]", `${organizationHelp}; left out, all of them`, parseOrganization)
    .addOption(
      new Option("--meter <meter>", "what was used").choices(meterNames).default("temperature_readings"),
    )
    .option("--from <time>", "RFC 3339; the beginning of this month, in UTC, unless told")
    .option("--to <time>", "RFC 3339, not included; now, unless told")
    .addOption(
      new Option("--granularity <step>", "of one organization: hour unless told").choices(granularities),
    )
    .option(
      "--time-zone <name>",
      "of one organization's days and months, such as Europe/Berlin: UTC unless told",
    )
    .option("--csv", "print CSV")
    .action((reference: string | undefined, options: UsageOptions) =>
      run((tools) => showUsage(tools, reference, options)),
    );
}

async function showUsage(
  tools: CommandTools,
  reference: string | undefined,
  { meter, from, to, granularity, timeZone, csv: isCsv = false }: UsageOptions,
): Promise<Outcome> {
  const now = tools.now();
  const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth()));
  const period = { from: from ?? month.toISOString(), to: to ?? now.toISOString() };
  const asked = usageQuery.safeParse({ meter, granularity, time_zone: timeZone, ...period });
  if (!asked.success) {
    return wrong(asked.error.issues.map(({ path, message }) => `${optionOf(path[0])} ${message}`).join("; "));
  }
  if (asked.data.from >= asked.data.to) return wrong("--to must be after --from");
  if (reference !== undefined) {
    return onOrganization(tools.db, reference, (id) => showOne(tools, id, { query: asked.data, isCsv }));
  }
  if (granularity !== undefined || timeZone !== undefined) {
    return wrong("--granularity and --time-zone are for one organization");
  }
  return showAll(tools, asked.data, isCsv);
}

type Question = { query: z.infer<typeof usageQuery>; isCsv: boolean };

/** The document is that of `GET /v1/organizations/{id}/usage`. */
async function showOne({ db }: CommandTools, id: string, { query, isCsv }: Question): Promise<Outcome> {
  const asked = await askUsage(db, id, query);
  if (asked.kind === "refused") return wrong(`${optionOf(asked.fault.pointer)} ${asked.fault.detail}`);
  const document = await renderUsage(db, id, { ...asked, meter: query.meter });
  const rows = document.data.map((one) => [
    one.start,
    one.end,
    one.quantity,
    one.delivered,
    one.pending,
    one.in_doubt,
    one.rejected,
  ]);
  const text = `${textTable(["START", "END", ...numbers], rows)}\ncomplete through ${document.complete_through}`;
  return { kind: "done", document, text: isCsv ? usageCsv(asked.buckets) : text };
}

/** The document is that of `GET /v1/usage/summary`, all pages in one. */
async function showAll({ db }: CommandTools, query: Question["query"], isCsv: boolean): Promise<Outcome> {
  const totals: UsageTotal[] = [];
  const { meter, from, to } = query;
  for await (const page of readSummaryPages(db, { meter, from, to, pageSize: summaryPageSize })) {
    for (const total of page) totals.push(total);
  }
  const rows = totals.map((one) => [
    one.id,
    one.externalId,
    one.name,
    one.quantity,
    one.delivered,
    one.pending,
    one.in_doubt,
    one.rejected,
  ]);
  const text = isCsv
    ? summaryCsvHeading + summaryCsv(totals)
    : textTable(["ORGANIZATION", "EXTERNAL ID", "NAME", ...numbers], rows);
  return { kind: "done", document: { data: totals.map(renderUsageTotal), next_cursor: null }, text };
}

function wrong(message: string): Outcome {
  return { kind: "wrong_usage", message };
}

/** The command's option for a member of the query. */
function optionOf(member: PropertyKey | undefined): string {
  return `--${String(member).replaceAll("_", "-")}`;
}

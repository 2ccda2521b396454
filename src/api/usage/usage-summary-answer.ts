import { z } from "@hono/zod-openapi";
import { readKeptFrom } from "../../database/retention.ts";
import type { Db } from "../../database/db.ts";
import { readUsageSummary, type SummaryQuery, type UsageTotal } from "../../outbox/usage-summary.ts";
import { csvLines } from "../csv.ts";
import { quantitiesShape } from "./usage-answer.ts";

/** One organization's usage as the API shows it. */
export const usageTotalSchema = z
  .strictObject({
    organization_id: z.uuid(),
    external_id: z.string().nullable(),
    name: z.string(),
    ...quantitiesShape,
  })
  .openapi("UsageTotal");

export function renderUsageTotal({
  id,
  externalId,
  name,
  ...quantities
}: UsageTotal): z.infer<typeof usageTotalSchema> {
  return { organization_id: id, external_id: externalId, name, ...quantities };
}

const columns = [
  "organization_id",
  "external_id",
  "name",
  "quantity",
  "delivered",
  "pending",
  "in_doubt",
  "rejected",
] as const;

/** The heading of a summary in CSV. */
export const summaryCsvHeading = csvLines([columns]);

/** Its lines. */
export function summaryCsv(totals: readonly UsageTotal[]): string {
  return csvLines(totals.map(renderUsageTotal).map((total) => columns.map((name) => total[name])));
}

/** The whole summary, a page at a time. */
export async function* readSummaryPages(
  db: Db,
  { pageSize, ...query }: Pick<SummaryQuery, "meter" | "from" | "to"> & { pageSize: number },
): AsyncGenerator<UsageTotal[]> {
  const keptFrom = await readKeptFrom(db, "meter_outbox");
  let after: string | undefined;
  for (;;) {
    const page = await readUsageSummary(db, { ...query, keptFrom, after, limit: pageSize });
    if (page.length > 0) yield page;
    if (page.length < pageSize) return;
    after = page.at(-1)?.id;
  }
}

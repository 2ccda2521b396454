import { createRoute, z } from "@hono/zod-openapi";
import { readKeptFrom } from "../../database/retention.ts";
import type { Db } from "../../database/db.ts";
import type { App } from "../../http/app-env.ts";
import type { AdminOnly } from "../../http/authentication.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { pageQuery, pageSchema, toPage } from "../../http/page.ts";
import { adminProblems, inputProblems } from "../../http/problem-answers.ts";
import { readUsageSummary, type UsageTotal } from "../../outbox/usage-summary.ts";
import { asksForCsv } from "../csv.ts";
import { usageQuery } from "./usage-answer.ts";
import { invalidQuery } from "./usage-route.ts";
import {
  readSummaryPages,
  renderUsageTotal,
  summaryCsv,
  summaryCsvHeading,
  usageTotalSchema,
} from "./usage-summary-answer.ts";

/** The page size of a summary that is answered whole. */
const csvPageSize = 200;

const summaryRoute = createRoute({
  method: "get",
  path: "/v1/usage/summary",
  operationId: "getUsageSummary",
  summary: "Usage of a period, one row for each organization, the oldest first",
  description:
    "Organizations without usage are there, as 0, and so are archived ones. CSV, when `Accept` asks for it, holds all organizations in one answer, unless `limit` or `cursor` asks for a page.",
  tags: ["Usage"],
  security: [{ adminToken: [] }],
  request: { query: pageQuery.extend(usageQuery.pick({ meter: true, from: true, to: true }).shape) },
  responses: {
    200: {
      description: "A page; CSV when `Accept` asks for it",
      content: {
        "application/json": { schema: pageSchema(usageTotalSchema) },
        "text/csv": { schema: z.string() },
      },
    },
    ...adminProblems,
    ...inputProblems,
  },
});

const cursorKey = z.tuple([z.uuid()]);
const csvHeaders = { "content-type": "text/csv; charset=utf-8" };

/** Adds `GET /v1/usage/summary`. */
export function mountUsageSummary(app: App, { db, adminOnly }: { db: Db; adminOnly: AdminOnly }): void {
  app.openapi({ ...summaryRoute, middleware: adminOnly }, async (c) => {
    const { limit, cursor, ...period } = c.req.valid("query");
    const after = decodeCursor(cursor, cursorKey)?.[0];
    if (period.from >= period.to) {
      throw invalidQuery({ pointer: "to", code: "invalid", detail: "must be after from" });
    }
    const isCsv = asksForCsv(c.req.header("accept"));
    if (isCsv && cursor === undefined && c.req.query("limit") === undefined) {
      const pages = readSummaryPages(db, { ...period, pageSize: csvPageSize });
      const onCut = (error: unknown) => app.parts.problemOf(error, c.get("requestId"));
      return c.body(await csvStream(pages, onCut), 200, csvHeaders);
    }
    const keptFrom = await readKeptFrom(db, "meter_outbox");
    const rows = await readUsageSummary(db, { ...period, keptFrom, after, limit: limit + 1 });
    const page = toPage(rows, limit, ({ id }) => [id]);
    if (isCsv) return c.body(summaryCsvHeading + summaryCsv(page.data), 200, csvHeaders);
    return c.json({ ...page, data: page.data.map(renderUsageTotal) }, 200);
  });
}

/**
 * The heading and all pages. The first page is read before the answer begins, so that an error there becomes a problem
 * document. A later one cuts the answer, which has begun as a 200, and is told to `onCut`.
 */
async function csvStream(
  pages: AsyncGenerator<UsageTotal[]>,
  onCut: (error: unknown) => void,
): Promise<ReadableStream<Uint8Array>> {
  const encoder = new TextEncoder();
  const first = await pages.next();
  let next = encoder.encode(summaryCsvHeading + (first.done === true ? "" : summaryCsv(first.value)));
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      controller.enqueue(next);
      const page = await pages.next().catch((error: unknown) => {
        onCut(error);
        throw error;
      });
      if (page.done === true) return controller.close();
      next = encoder.encode(summaryCsv(page.value));
    },
    async cancel() {
      await pages.return(undefined);
    },
  });
}

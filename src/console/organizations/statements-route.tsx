import {
  renderStatement,
  type StatementAnswer,
  statementCsv,
  statementCsvHeading,
} from "../../api/organizations/statement-answer.ts";
import type { ConsoleParts } from "../../api/console-parts.ts";
import type { Db } from "../../database/db.ts";
import { instantSchema } from "../../http/instant.ts";
import { notFound } from "../../http/problem.ts";
import { findOrganization } from "../../organizations/organizations.ts";
import { findPeriod } from "../../reconciliation/close/billing-periods.ts";
import { readStatement } from "../../reconciliation/close/statement.ts";
import type { ConsoleApp, ConsoleContext } from "../console-env.ts";
import { showPage } from "../layout/show-page.tsx";
import { organizationIdOf } from "./organizations-route.tsx";
import { StatementPage } from "./statement-page.tsx";

const frame = { title: "Statement", place: "books" } as const;

/** Adds the statement of one billing period, as a page and as CSV. */
export function mountStatementPages(app: ConsoleApp, { db }: ConsoleParts): void {
  app.get("/organizations/:id/statements/:start", async (c) => {
    const organization = await findOrganization(db, organizationIdOf(c));
    if (organization === undefined) throw notFound("organization");
    const { statement, period } = await readAsked(db, c);
    const page = <StatementPage statement={statement} name={organization.name} period={period} />;
    return showPage(c, frame, page);
  });

  app.get("/organizations/:id/statements/:start/statement.csv", async (c) => {
    const { statement } = await readAsked(db, c);
    const day = statement.period.start.slice(0, 10);
    c.header("content-type", "text/csv; charset=utf-8");
    c.header("content-disposition", `attachment; filename="statement-${day}.csv"`);
    return c.body(statementCsvHeading + statementCsv([statement]));
  });
}

async function readAsked(db: Db, c: ConsoleContext) {
  const start = instantSchema.safeParse(c.req.param("start"));
  if (!start.success) throw notFound("statement");
  const period = await findPeriod(db, organizationIdOf(c), new Date(start.data));
  if (period === undefined) throw notFound("statement");
  const statement: StatementAnswer = renderStatement(await readStatement(db, period));
  return { statement, period };
}

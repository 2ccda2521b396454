import { z } from "zod";
import type { ConsoleParts } from "../../api/console-parts.ts";
import type { Db } from "../../database/db.ts";
import { byIndex } from "../../database/one-plan.ts";
import { notFound } from "../../http/problem.ts";
import { readReconciliation } from "../../monitoring/metrics/read-reconciliation.ts";
import { readSeenProcesses } from "../../monitoring/seen-processes.ts";
import { findWantedPeriod } from "../../reconciliation/find-period.ts";
import { askForComparison, readRequest } from "../../reconciliation/requests.ts";
import { findCustomers } from "../../reconciliation/subject-customers.ts";
import type { Span } from "../../reconciliation/windows.ts";
import { meterNames } from "../../usage/meters.ts";
import type { ConsoleApp, ConsoleContext } from "../console-env.ts";
import { act, requireAdmin } from "../forms/act.ts";
import { askFirst } from "../forms/confirm-page.tsx";
import { readForm } from "../forms/read-form.ts";
import { showPage, showPart } from "../layout/show-page.tsx";
import { organizationIdOf } from "../organizations/organizations-route.tsx";
import { booksOf } from "./books-paths.ts";
import {
  type Asked,
  comparisonOf,
  ComparisonPage,
  ComparisonPart,
  CompareQuestion,
} from "./compare-page.tsx";
import { nameOf } from "./organization-books-route.tsx";
import { readWantedPeriod } from "./read-books-query.ts";

const frame = { title: "Comparison", place: "books" } as const;

/** Adds the comparison of one organization's usage on demand, as `POST /v1/organizations/{id}/reconcile` does. */
export function mountComparison(app: ConsoleApp, { db, boss }: ConsoleParts): void {
  app.get("/books/:id/compare", async (c) => {
    requireAdmin(c);
    const organizationId = organizationIdOf(c);
    const name = await nameOf(db, organizationId);
    const period = readWantedPeriod(c.req.query());
    const span = await findWantedPeriod(db, organizationId, period);
    const customers = span === undefined ? 0 : await countCustomers(db, organizationId, span);
    const state = await byIndex(db, readReconciliation);
    const worker = (await readSeenProcesses(db)).find(({ kind }) => kind === "worker");
    const asked = { organizationId, name, period, span, customers, state, worker };
    return askFirst(c, frame, <CompareQuestion asked={asked} />);
  });

  app.post("/books/:id/compare", async (c) => {
    requireAdmin(c);
    const organizationId = organizationIdOf(c);
    await nameOf(db, organizationId);
    const span = await findWantedPeriod(db, organizationId, readWantedPeriod(await readForm(c)));
    if (span === undefined) return c.redirect(booksOf(organizationId), 303);
    const id = await act(
      { c, db },
      (trx) => askForComparison({ db: trx, boss }, { organizationId, ...span }),
      (subject) => ({ action: "reconcile", organizationId, subject }),
    );
    return c.redirect(comparisonOf(organizationId, id), 303);
  });

  app.get("/books/:id/comparisons/:request_id", async (c) =>
    showPage(c, frame, <ComparisonPage asked={await readAsked(db, c)} />),
  );

  app.get("/books/:id/comparisons/:request_id/live", async (c) =>
    showPart(c, <ComparisonPart asked={await readAsked(db, c)} />),
  );
}

async function readAsked(db: Db, c: ConsoleContext): Promise<Asked> {
  const organizationId = organizationIdOf(c);
  const requestId = z.uuid().safeParse(c.req.param("request_id"));
  if (!requestId.success) throw notFound("comparison");
  const name = await nameOf(db, organizationId);
  const state = await readRequest(db, { organizationId, id: requestId.data });
  if (state === undefined) throw notFound("comparison");
  return { organizationId, name, requestId: requestId.data, state };
}

async function countCustomers(db: Db, organizationId: string, span: Span): Promise<number> {
  const named = new Set<string>();
  for (const meter of meterNames) {
    for (const one of await findCustomers(db, { organizationId, meter, ...span })) named.add(one);
  }
  return named.size;
}

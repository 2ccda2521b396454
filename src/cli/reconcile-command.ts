import { type Command, Option } from "commander";
import { z } from "zod";
import { actAs } from "../actions/operator-actions.ts";
import { instantSchema } from "../http/instant.ts";
import { describeSeen, readSeenProcesses } from "../monitoring/seen-processes.ts";
import { listOrganizations } from "../organizations/organizations.ts";
import { awaitAnswer } from "../reconciliation/await-answer.ts";
import type { ComparedWindow, ComparedWindows } from "../reconciliation/compared-windows.ts";
import { findWantedPeriod, type WantedPeriod } from "../reconciliation/find-period.ts";
import { askForComparison } from "../reconciliation/requests.ts";
import type { CommandTools } from "./command-tools.ts";
import { onOrganization, organizationHelp, parseOrganization } from "./organization-argument.ts";
import type { Outcome } from "./outcome.ts";
import { reconcileAfterRestore } from "./reconcile-after-restore.ts";
import { parsedBy } from "./parsed-by.ts";
import type { Run } from "./run.ts";
import { textTable } from "./text-table.ts";

type ReconcileOptions = {
  /** Left out, as with `--all`: every one. */
  organization?: string;
  period: WantedPeriod;
  afterRestore?: boolean;
};

/** A comparison is a few reads; the queue before it may be long. */
const waitMsMax = 600_000;
const pageSize = 200;
const headings = ["ORGANIZATION", "METER", "START", "END", "OURS", "THEIRS", "RESULT"];

const dateSchema = z.iso.date().transform((text) => new Date(`${text}T00:00:00Z`));
const timeSchema = z.union([dateSchema, instantSchema], "must be a date or an RFC 3339 time");
const wantedForm = "must be current, last or FROM..TO, of dates or RFC 3339 times, FROM before TO";
const periodSchema = z.union(
  [
    z.enum(["current", "last"]),
    z
      .string()
      .transform((text) => text.split(".."))
      .pipe(z.tuple([timeSchema, timeSchema]))
      .transform(([from, to]) => ({ from, to }))
      .refine(({ from, to }) => from < to, wantedForm),
  ],
  wantedForm,
);

/** Adds `reconcile`. */
export function addReconcileCommand(program: Command, run: Run): void {
  program
    .command("reconcile")
    .description("compare usage with Stripe's own sums, and name the hours that differ; a worker reads them")
    .option("--organization <organization>", organizationHelp, parseOrganization)
    .addOption(
      new Option("--all", "every organization that is not archived, as without --organization").conflicts(
        "organization",
      ),
    )
    .option(
      "--period <period>",
      "current, last or FROM..TO",
      parsedBy(periodSchema),
      "current" as WantedPeriod,
    )
    .addOption(
      new Option(
        "--after-restore",
        "in place of all that: resolve what a database restored from a backup takes for undelivered",
      ).conflicts(["organization", "all", "period"]),
    )
    .action(({ afterRestore, ...options }: ReconcileOptions) =>
      run((tools) => (afterRestore === true ? reconcileAfterRestore(tools) : reconcile(tools, options))),
    );
}

async function reconcile(tools: CommandTools, { organization, period }: ReconcileOptions): Promise<Outcome> {
  const worker = (await readSeenProcesses(tools.db)).find(({ kind }) => kind === "worker");
  if (worker === undefined || worker.live === 0) {
    const seen = worker === undefined ? "none has ever run" : describeSeen(worker);
    return { kind: "failed", message: `a worker has to read the sums, and none runs (workers: ${seen})` };
  }
  if (organization === undefined) return reconcileAll(tools, period);
  return onOrganization(tools.db, organization, async (id) => {
    const compared = await compareOne(tools, id, period);
    if (compared.kind === "failed") return { kind: "failed", message: compared.reason };
    const { answer } = compared;
    return outcomeOf([{ organization_id: id, ...answer }], answer);
  });
}

type Compared = { kind: "answered"; answer: ComparedWindows } | { kind: "failed"; reason: string };
type OfOrganization = { organization_id: string } & (ComparedWindows | { error: string });

/** One after the other, so that an operator's other requests have their turn between them. */
async function reconcileAll(tools: CommandTools, period: WantedPeriod): Promise<Outcome> {
  const data: OfOrganization[] = [];
  for (let after: string | undefined; ;) {
    const page = await listOrganizations(tools.db, { after, isArchived: false, limit: pageSize });
    for (const { id } of page) {
      const compared = await compareOne(tools, id, period);
      const found = compared.kind === "answered" ? compared.answer : { error: compared.reason };
      data.push({ organization_id: id, ...found });
    }
    after = page.at(-1)?.id;
    if (page.length < pageSize) break;
  }
  const reads = data.reduce((sum, one) => sum + ("error" in one ? 0 : one.reads), 0);
  return outcomeOf(data, { data, reads });
}

async function compareOne(
  { db, operator, openBoss }: CommandTools,
  organizationId: string,
  period: WantedPeriod,
): Promise<Compared> {
  const span = await findWantedPeriod(db, organizationId, period);
  if (span === undefined) return { kind: "answered", answer: { windows: [], reads: 0 } };
  const boss = await openBoss();
  const id = await actAs(
    { db, operator },
    (trx) => askForComparison({ db: trx, boss }, { organizationId, ...span }),
    (subject) => ({ action: "reconcile", organizationId, subject }),
  );
  const signal = new AbortController().signal;
  const found = await awaitAnswer(db, { organizationId, id }, { waitMs: waitMsMax, signal });
  if (found?.state === "answered") return { kind: "answered", answer: found.answer };
  if (found?.state === "failed") return { kind: "failed", reason: found.error };
  return { kind: "failed", reason: `no worker has answered within ${waitMsMax / 60_000} minutes` };
}

/** A difference ends the command with exit code 1, so that a script notices it. */
function outcomeOf(data: readonly OfOrganization[], document: unknown): Outcome {
  const rows = data.flatMap((one) =>
    "error" in one
      ? [[one.organization_id, "", "", "", "", "", one.error]]
      : one.windows.map((window) => rowOf(one.organization_id, window)),
  );
  const isAlarming = data.some(
    (one) => "error" in one || one.windows.some(({ result }) => result === "different"),
  );
  const text = rows.length === 0 ? "nothing to compare" : textTable(headings, rows);
  return { kind: isAlarming ? "alarming" : "done", document, text };
}

function rowOf(
  organizationId: string,
  { meter, start, end, ours, theirs, result, reason }: ComparedWindow,
): string[] {
  const told = reason === null ? result : `${result} (${reason})`;
  return [organizationId, meter, start, end, ours, theirs, told];
}

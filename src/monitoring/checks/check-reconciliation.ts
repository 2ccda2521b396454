import type { Db } from "../../database/db.ts";
import { readReconciliation } from "../metrics/read-reconciliation.ts";
import { type Finding, ok, problem } from "./finding.ts";

const check = "Stripe's sums";
/** Within it two looks, an hour apart, and the close of a period come to their end. */
const unreconciledSecondsMax = 86_400;

const nameHours =
  "`node dist/cli.js reconcile --all` names the hours; docs/reconciliation.md says what to do";
/** What an operator asks for is read whatever the budget says. */
const compareClosing =
  "`node dist/cli.js reconcile --all --period last` compares closing periods all the same; docs/metrics.md#meteroutboxreconcilereadsusedup";

/** Whether Stripe's sums were ours when they were last compared. */
export async function checkReconciliation(db: Db): Promise<Finding> {
  const { different, unreconciledSeconds, reads, readsLeft, putOff, reported } = await readReconciliation(db);
  const differences = [
    ...Object.entries(different).map(([meter, customers]) => `differ for ${customers} customers in ${meter}`),
    ...(unreconciledSeconds > unreconciledSecondsMax
      ? [`a period that ended ${Math.floor(unreconciledSeconds / 3_600)} h ago is not equal yet`]
      : []),
    ...(reported > 0 ? [`an error report covers ${reported} delivered events without naming them`] : []),
  ];
  const isUsedUp = readsLeft === 0;
  const faults = [...differences, ...(isUsedUp ? ["today's reads are used up"] : [])];
  const used = `${reads} reads today${putOff > 0 ? `, ${putOff} customers wait for tomorrow's` : ""}`;
  if (faults.length === 0) return ok(check, `no difference is known; ${used}`);
  const remedies = [...(differences.length > 0 ? [nameHours] : []), ...(isUsedUp ? [compareClosing] : [])];
  return problem(check, `${faults.join("; ")}; ${used}`, remedies.join("; "));
}

import { reconcileQueue } from "../queue/queues.ts";
import { workQueue } from "../queue/work-queue.ts";
import { runSteps } from "../process/run-steps.ts";
import { describeError } from "../stripe/describe-stripe-error.ts";
import { noteBudget, readBudget } from "./budget.ts";
import { resolveDoubt } from "./doubt/resolve-doubt.ts";
import { type CloseSettings, closePeriods } from "./close/close-periods.ts";
import type { LookDeps } from "./look.ts";
import type { ReconcileDeps, ReconcileSettings } from "./reconcile-deps.ts";
import { remindOfRequests, workReconcileRequests } from "./requests-job.ts";
import { compareRunningPeriods } from "./routine.ts";

type StepDeps = ReconcileDeps & LookDeps & CloseSettings;
type Step = { name: string; run: (deps: StepDeps) => Promise<void> };

/** Thousands of customers may be in doubt at once, and each is read: no draft waits until all are. */
const doubtMsMax = 40_000;

/** The steps of every minute, the most important first. A step that fails stops none of the others. */
const steps: readonly Step[] = [
  { name: "budget", run: ({ db, budget }) => noteBudget(db, budget) },
  { name: "requests", run: remindOfRequests },
  // In shadow mode the sums are another path's, and tell nothing of our attempts.
  {
    name: "doubt",
    run: async (deps) =>
      void (deps.isShadow === true ? undefined : await resolveDoubt(deps, { msMax: doubtMsMax })),
  },
  { name: "close", run: closePeriods },
  { name: "routine", run: compareRunningPeriods },
];

/** Works the queues of the comparison with Stripe's sums. */
export async function workReconcile(deps: ReconcileDeps, settings: ReconcileSettings): Promise<void> {
  await workQueue(deps, { queue: reconcileQueue.name, pollingIntervalSeconds: 5 }, () =>
    reconcile(deps, settings),
  );
  await workReconcileRequests(deps, settings);
}

/** One run of all steps. */
export async function reconcile(deps: ReconcileDeps, settings: ReconcileSettings): Promise<void> {
  const withBudget = async (run: Step["run"]) =>
    run({ ...deps, ...settings, budget: await readBudget(deps.db, settings.readsPerDay) });
  await runSteps(
    steps.map(({ name, run }) => [name, () => withBudget(run)] as const),
    describeError,
  );
}

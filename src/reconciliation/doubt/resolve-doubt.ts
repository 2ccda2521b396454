import type { PgBoss } from "pg-boss";
import type { Log } from "../../log.ts";
import { concernsEveryRead, isStripesFault, isUnknownCustomer } from "../../stripe/answer.ts";
import { describeError, describeRefusal } from "../../stripe/describe-stripe-error.ts";
import { type Cause, notePutOff } from "../budget.ts";
import type { Subject } from "../fold-window.ts";
import type { LookDeps } from "../look.ts";
import { askedAtMs, isRemembered, type Remembered, remember } from "../remembered.ts";
import { type DoubtSubject, listDoubt } from "./list-doubt.ts";
import { readDoubtWindows } from "./doubt-windows.ts";
import { type JudgedWindow, lookAtDoubt } from "./look-at-doubt.ts";
import { settleDoubt } from "./settle-doubt.ts";
import { settleOvertaken } from "./settle-overtaken.ts";

export type DoubtDeps = LookDeps & {
  boss: PgBoss;
  log: Log;
  /** Customers' meters whose sums Stripe refused to tell. */
  refusedSums?: Remembered;
  /** Customers' meters in the order in which runs came to them. */
  triedSums?: Remembered;
};

type DoubtOutcome = "all" | "none" | "part" | "unclear" | "wait" | "moved";

/** The result of one run. */
export type DoubtRun = {
  /** Windows by the verdict of their look. */
  windows: Record<DoubtOutcome, number>;
  /** Gauge values that a newer one had overtaken. */
  overtaken: number;
  /** Customers' meters that wait for another day's budget. */
  putOff: number;
};

/** After so many customers in a row whose sums Stripe could not tell it is away, and the others would be asked in vain. */
const failuresInRowMax = 5;

/**
 * Looks at Stripe's sums wherever events are in doubt and a look is due, and ends the doubt that they explain. One
 * customer whose sums cannot be read holds up no other, also where Stripe fails over this customer alone; an error that
 * concerns all ends the run. What Stripe refuses to tell of one customer is asked again as late as after a look. Throws the
 * first such error after all, so that the job counts as failed.
 *
 * `msMax`: after so long the rest is left to the next run, which goes on with those that this one did not come to.
 */
export async function resolveDoubt(
  deps: DoubtDeps,
  { msMax = Infinity, ...options }: { cause?: Cause; isCurrentHourToo?: boolean; msMax?: number } = {},
): Promise<DoubtRun> {
  const endsAtMs = performance.now() + msMax;
  const overtaken = await settleOvertaken(deps.db);
  const run: DoubtRun = {
    windows: { all: 0, none: 0, part: 0, unclear: 0, wait: 0, moved: 0 },
    overtaken: overtaken.count,
    putOff: 0,
  };
  if (run.overtaken > 0) deps.log.info({ event: "doubt_overtaken", count: run.overtaken });
  const { refusedSums = new Map(), triedSums = new Map() } = deps;
  const { subjects, faults } = await listDoubt(deps.db, { ...deps, ...options });
  const failures: unknown[] = [...overtaken.faults, ...faults];
  const stopped = new Set<Cause>();
  let failuresInRow = 0;
  const triedAt = (subject: Subject) => askedAtMs(triedSums, nameOf(subject)) ?? 0;
  const inTurn = subjects.toSorted((one, other) => triedAt(one) - triedAt(other));
  for (const [place, subject] of inTurn.entries()) {
    if (place > 0 && performance.now() >= endsAtMs) break;
    const refused = { nowMs: Date.now(), forMs: deps.absenceSeconds * 1_000 };
    remember(triedSums, nameOf(subject), Date.now());
    if (isRemembered(refusedSums, nameOf(subject), refused)) continue;
    const cause = options.cause ?? (subject.isReported ? "report" : "doubt");
    if (stopped.has(cause)) {
      run.putOff += 1;
      continue;
    }
    try {
      const isInBudget = await resolveSubject(deps, subject, { cause, run });
      failuresInRow = 0;
      if (isInBudget) continue;
      stopped.add(cause);
      run.putOff += 1;
    } catch (error) {
      failures.push(error);
      if (describeRefusal(error) !== undefined) remember(refusedSums, nameOf(subject), Date.now());
      const { organizationId, customer, meter } = subject;
      const named = { organization_id: organizationId, stripe_customer_id: customer, meter };
      const reason = describeError(error);
      deps.log.warn({ event: "doubt_look_failed", ...named, reason });
      failuresInRow = isStripesFault(error) ? failuresInRow + 1 : 0;
      if (concernsEveryRead(error) || failuresInRow === failuresInRowMax) break;
    }
  }
  if (run.putOff > 0 && (await notePutOff(deps.db, run.putOff))) {
    deps.log.warn({ event: "doubt_put_off", customers: run.putOff });
  }
  if (failures.length > 0) throw failures[0];
  return run;
}

function nameOf({ organizationId, customer, meter }: Subject): string {
  return [organizationId, customer, meter].join(" ");
}

/** A customer whom Stripe does not know has no usage there. */
function withUnknownCustomers<D extends LookDeps>(deps: D): D {
  const { readEventSummaries, ...reads } = deps.reads;
  const readKnown: typeof readEventSummaries = async (asked) => {
    try {
      return await readEventSummaries(asked);
    } catch (error) {
      if (isUnknownCustomer(error)) return [];
      throw error;
    }
  };
  return { ...deps, reads: { ...reads, readEventSummaries: readKnown } };
}

/** False: the budget is used up for this cause. */
async function resolveSubject(
  deps: DoubtDeps,
  subject: DoubtSubject,
  { cause, run }: { cause: Cause; run: DoubtRun },
): Promise<boolean> {
  const windows = await readDoubtWindows(deps.db, subject, subject.hours);
  const { judged, stoppedBy } = await lookAtDoubt(withUnknownCustomers(deps), subject, { windows, cause });
  for (const one of judged) {
    const outcome = await act(deps, subject, one);
    run.windows[outcome] += 1;
    tell(deps.log, subject, { ...one, outcome });
  }
  return stoppedBy !== "put_off";
}

async function act(
  deps: DoubtDeps,
  subject: Subject,
  { window, look, lookId, verdict }: JudgedWindow,
): Promise<DoubtOutcome> {
  if (verdict.kind === "wait" || verdict.kind === "unclear") return verdict.kind;
  const { organizationId, customer, meter } = subject;
  const settled = await settleDoubt(deps, {
    window: { organizationId, customer, meter, start: window.start, end: window.end },
    eventIds: window.events.filter(({ isDoubtful }) => isDoubtful).map(({ id }) => id),
    verdict: verdict.kind,
    missing: verdict.kind === "part" ? verdict.missing : undefined,
    evidenceId: lookId,
    fingerprint: look.fingerprint,
  });
  return settled === undefined ? "moved" : verdict.kind;
}

function tell(
  log: Log,
  { organizationId, customer, meter }: Subject,
  { window, look, verdict, outcome }: JudgedWindow & { outcome: DoubtOutcome },
): void {
  const seen = {
    organization_id: organizationId,
    stripe_customer_id: customer,
    meter,
    window_start: window.start,
    window_end: window.end,
    events: window.events.filter(({ isDoubtful }) => isDoubtful).length,
    doubtful: look.doubtful,
    ours: look.ours,
    theirs: look.theirs,
  };
  switch (outcome) {
    case "all":
    case "none":
      return log.info({ event: "doubt_settled", stripe_has: outcome, ...seen });
    case "part": {
      const missing = verdict.kind === "part" ? String(verdict.missing) : null;
      return log.info({ event: "doubt_settled", stripe_has: "part", missing, ...seen });
    }
    case "unclear": {
      const reason = verdict.kind === "unclear" ? verdict.reason : null;
      return log.warn({ event: "doubt_unclear", reason, ...seen });
    }
    case "wait":
    case "moved":
      return log.debug({ event: "doubt_not_settled_yet", outcome, ...seen });
  }
}

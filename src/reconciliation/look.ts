import { readClock } from "../database/clock.ts";
import type { Db } from "../database/db.ts";
import { isUnanswered } from "../stripe/answer.ts";
import type { EventSummary } from "../stripe/read-event-summaries.ts";
import type { StripeReads } from "../stripe/reads.ts";
import { type MeterEventNames, meters } from "../usage/meters.ts";
import { type Cause, giveBackRead, type ReadBudget, takeRead } from "./budget.ts";
import { type Fold, foldBuckets, type Folding, foldWindow, type Window } from "./fold-window.ts";
import { judgeWindow } from "./judge-window.ts";
import { agreeSince, type Look } from "./looks.ts";
import type { Grouping } from "./windows.ts";

export type LookDeps = {
  db: Db;
  reads: Pick<StripeReads, "meters" | "readEventSummaries">;
  eventNames: MeterEventNames;
  budget: ReadBudget;
  settleSeconds: number;
  absenceSeconds: number;
} & Folding;

/** No look: today's budget is used up for this cause, or Stripe has no such meter. */
export type NoLook = "put_off" | "no_meter";

/**
 * Reads Stripe's sum of a window once and compares it with ours: one look, or with a grouping one for each day or hour that
 * has usage on either side. Nothing is written. Throws the SDK's error when the read fails, and then says nothing of the
 * window.
 */
export async function lookAt(
  deps: LookDeps,
  window: Window,
  { cause, grouping }: { cause: Cause; grouping?: Grouping },
): Promise<Look[] | NoLook> {
  const { db } = deps;
  const meterId = await findMeterId(deps, window);
  if (meterId === undefined) return "no_meter";
  if (!(await takeRead(db, cause, deps.budget))) return "put_off";
  const before = await fold(deps, window, grouping);
  const summaries = await readSums(deps, window, { meterId, grouping });
  const after = await fold(deps, window, grouping);
  const theirs = new Map(summaries.map(({ start, value }) => [start.getTime(), value]));
  const theirsOf = ({ start }: Fold) =>
    (grouping === undefined ? summaries[0]?.value : theirs.get(start.getTime())) ?? "0";
  const seen = after
    .map((one, index) => ({ fold: before[index] ?? one, foldAfter: one, theirs: theirsOf(one) }))
    .filter(
      ({ foldAfter, theirs: sum }) => grouping === undefined || hasUsage(foldAfter) || Number(sum) !== 0,
    );
  return judgeAll(deps, window, seen);
}

async function readSums(
  { db, reads }: Pick<LookDeps, "db" | "reads">,
  { customer, start, end }: Window,
  asked: { meterId: string; grouping: Grouping | undefined },
): Promise<EventSummary[]> {
  try {
    return await reads.readEventSummaries({ ...asked, customerId: customer, start, end });
  } catch (error) {
    if (isUnanswered(error)) await giveBackRead(db);
    throw error;
  }
}

type SeenFold = { fold: Fold; foldAfter: Fold; theirs: string };

async function judgeAll(deps: LookDeps, window: Window, seen: readonly SeenFold[]): Promise<Look[]> {
  const since = await agreeSince(
    deps.db,
    window,
    seen.map(({ foldAfter, theirs }) => ({ ...foldAfter, ours: foldAfter.certain, theirs })),
  );
  const now = await readClock(deps.db);
  return seen.map(({ fold: before, foldAfter, theirs }, index) => ({
    organizationId: window.organizationId,
    customer: window.customer,
    meter: window.meter,
    start: foldAfter.start,
    end: foldAfter.end,
    ours: foldAfter.certain,
    doubtful: foldAfter.doubtful,
    theirs,
    events: foldAfter.certainEvents,
    fingerprint: foldAfter.fingerprint,
    reads: index === 0 ? 1 : 0,
    readAt: now,
    ...judgeWindow(
      {
        fold: before,
        foldAfter,
        theirs,
        aggregation: meters[window.meter].aggregation,
        now,
        agreesSince: since[index] ?? null,
      },
      deps,
    ),
  }));
}

async function fold(
  { db, isShadow }: Pick<LookDeps, "db" | "isShadow">,
  window: Window,
  grouping: Grouping | undefined,
): Promise<Fold[]> {
  if (grouping === undefined) return [await foldWindow(db, window, { isShadow })];
  return foldBuckets(db, window, { grouping, isShadow });
}

function hasUsage({ fingerprint }: Fold): boolean {
  return fingerprint !== "0";
}

/** Of two meters with one event name the active one. */
async function findMeterId(
  { reads, eventNames }: Pick<LookDeps, "reads" | "eventNames">,
  { meter }: Window,
): Promise<string | undefined> {
  const known = [...(await reads.meters.knowing([]))].filter(
    ([, { eventName }]) => eventName === eventNames[meter],
  );
  return (known.find(([, { isActive }]) => isActive) ?? known[0])?.[0];
}

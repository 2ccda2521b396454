import type { Cause } from "../budget.ts";
import { type Fold, foldBuckets, foldWindow, type Subject } from "../fold-window.ts";
import { type LookDeps, lookAt, type NoLook } from "../look.ts";
import { type Look, writeLooks } from "../looks.ts";
import { type DoubtVerdict, isConfirmed, nextLookAt, type PastLook } from "./doubt-rules.ts";
import type { DoubtWindow } from "./doubt-windows.ts";
import { judgeDoubt } from "./judge-doubt.ts";
import { readPastLooks } from "./past-looks.ts";
import { type PlannedRead, planReads } from "./plan-reads.ts";

/** A window with doubt, the stored look at it, and its verdict. */
export type JudgedWindow = { window: DoubtWindow; look: Look; lookId: string; verdict: DoubtVerdict };

type DatedWindow = DoubtWindow & { past: PastLook[] };

/**
 * Looks at those windows of a subject that are worth a look now, in as few reads as tell of them, and writes the looks down.
 * Ends early when the budget is used up or Stripe has no such meter.
 */
export async function lookAtDoubt(
  deps: LookDeps,
  subject: Subject,
  { windows, cause }: { windows: readonly DoubtWindow[]; cause: Cause },
): Promise<{ judged: JudgedWindow[]; stoppedBy: NoLook | null }> {
  const past = await readPastLooks(deps.db, subject, windows);
  const due = windows
    .map((window, index) => ({ ...window, past: past[index] ?? [] }))
    .filter((window) => isDue(window, deps));
  const judged: JudgedWindow[] = [];
  for (const read of planReads(due)) {
    const ready = await keepReady(deps, subject, read);
    if (ready.length === 0) continue;
    const { span, grouping } = read;
    const looks = await lookAt(deps, { ...subject, ...span }, { cause, ...(grouping && { grouping }) });
    if (typeof looks === "string") return { judged, stoppedBy: looks };
    judged.push(...(await judgeAll(deps, { ready, looks, cause })));
  }
  return { judged, stoppedBy: null };
}

function isDue({ past: [newest, ...before] }: DatedWindow, { absenceSeconds }: LookDeps): boolean {
  return (
    newest === undefined || nextLookAt([newest, ...before], absenceSeconds * 1_000).getTime() <= Date.now()
  );
}

/** Events that are under way, or have just been delivered, are left for later without a read. */
async function keepReady(
  { db, settleSeconds }: LookDeps,
  subject: Subject,
  { span, grouping, windows }: PlannedRead<DatedWindow>,
): Promise<DatedWindow[]> {
  const folds =
    grouping === undefined
      ? [await foldWindow(db, { ...subject, ...span })]
      : await foldBuckets(db, { ...subject, ...span }, { grouping });
  const settledBefore = Date.now() - settleSeconds * 1_000;
  const isReady = ({ openEvents, youngestAt }: Fold) =>
    openEvents === 0 && (youngestAt === null || youngestAt.getTime() <= settledBefore);
  const ready = new Set(folds.filter(isReady).map(({ start }) => start.getTime()));
  return windows.filter(({ start }) => ready.has(start.getTime()));
}

async function judgeAll(
  { db, absenceSeconds }: LookDeps,
  { ready, looks, cause }: { ready: readonly DatedWindow[]; looks: readonly Look[]; cause: Cause },
): Promise<JudgedWindow[]> {
  const found = ready.flatMap((window) => {
    const look = looks.find(({ start }) => start.getTime() === window.start.getTime());
    if (look === undefined) return [];
    const isStable = isConfirmed([look, ...window.past], absenceSeconds * 1_000);
    return [{ window, look, verdict: judgeDoubt(window, { look, isStable }) }];
  });
  const written = found.map(({ look, verdict }, index) => ({
    ...look,
    reads: index === 0 ? 1 : 0,
    ...(verdict.kind === "unclear" && { result: "different" as const, reason: verdict.reason }),
  }));
  const ids = await writeLooks(db, written, cause);
  return found.map((one, index) => ({ ...one, lookId: ids[index] ?? "" }));
}

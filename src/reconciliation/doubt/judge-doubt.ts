import { meters } from "../../usage/meters.ts";
import type { Look } from "../looks.ts";
import { type DoubtVerdict, judgeGauge, judgeSum } from "./doubt-rules.ts";
import type { DoubtWindow } from "./doubt-windows.ts";

/** The verdict of a look on a window's doubt. Pure. `isStable`: a look long enough before it was the same. */
export function judgeDoubt(
  window: DoubtWindow,
  { look, isStable }: { look: Look; isStable: boolean },
): DoubtVerdict {
  if (look.reason === "moved" || look.reason === "young" || look.reason === "open") return { kind: "wait" };
  if (window.events.some(({ isStray }) => isStray)) return { kind: "unclear", reason: "refused_after_doubt" };
  return meters[look.meter].aggregation === "last"
    ? judgeLatest(window, { look, isStable })
    : judgeTotal(window, { look, isStable });
}

function judgeTotal(
  window: DoubtWindow,
  { look, isStable }: { look: Look; isStable: boolean },
): DoubtVerdict {
  const doubted = window.events.filter(({ isDoubtful }) => isDoubtful);
  const doubtful = doubted.map(({ quantity }) => quantity);
  // One customer paid for several organizations after each other: both their events are in its sum.
  const total = doubtful.reduce((sum, quantity) => sum + quantity, 0n);
  if (total !== BigInt(look.doubtful)) return { kind: "unclear", reason: "shared_customer" };
  const verdict = judgeSum({
    theirs: look.theirs,
    certain: BigInt(look.ours),
    doubtful,
    isStable,
    mayHaveMore: doubted.every(({ isRestoredUntried }) => isRestoredUntried),
  });
  if (verdict.kind === "part" && window.isOfTwoPeriods)
    return { kind: "unclear", reason: "period_ends_inside" };
  return verdict;
}

function judgeLatest(
  window: DoubtWindow,
  { look, isStable }: { look: Look; isStable: boolean },
): DoubtVerdict {
  if (window.isOfTwoPeriods) return { kind: "unclear", reason: "period_ends_inside" };
  const latest = window.events.findLast(({ isDoubtful }) => isDoubtful);
  if (latest === undefined) return { kind: "wait" };
  const older = window.events.filter(({ id }) => id !== latest.id).map(({ quantity }) => quantity);
  const mayBeEmpty = look.events === 0;
  return judgeGauge({ theirs: look.theirs, latest: latest.quantity, older, mayBeEmpty, isStable });
}

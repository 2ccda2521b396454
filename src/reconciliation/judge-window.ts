import type { Fold } from "./fold-window.ts";

export type Result = "equal" | "settling" | "different";
/** Why a window is not compared yet. */
export type SettlingReason =
  /** Its events changed while Stripe's sum was read. */
  | "moved"
  /** An event was attempted or delivered a moment ago: Stripe's sums lag. */
  | "young"
  /** An attempt at one of its events has not told its outcome. */
  | "open"
  /** Stripe has some of the events in doubt, or may have. */
  | "in_doubt"
  /** Too little, and seen for the first time. */
  | "first_look";

export type Judgement = { result: Result; reason: SettlingReason | null };

export type Evidence = {
  fold: Fold;
  /** The same fold after the read. */
  foldAfter: Fold;
  /** Stripe's sum, in plain digits. */
  theirs: string;
  aggregation: "sum" | "last";
  now: Date;
  /** Since when looks have agreed with this one; null: none before it. */
  agreesSince: Date | null;
};

/**
 * The verdict on Stripe's sum of a window. A sum lags and is never ahead: too much counts at once, and too little only
 * when another look, `absenceSeconds` before, was the same. Of a gauge an old value may be the greater one.
 */
export function judgeWindow(
  { fold, foldAfter, theirs, aggregation, now, agreesSince }: Evidence,
  { settleSeconds, absenceSeconds }: { settleSeconds: number; absenceSeconds: number },
): Judgement {
  if (fold.fingerprint !== foldAfter.fingerprint) return settling("moved");
  const isSum = aggregation === "sum";
  if (isSum && isMoreThan(theirs, add(fold.certain, add(fold.doubtful, fold.open)))) return different;
  const isYoung =
    fold.youngestAt !== null && now.getTime() - fold.youngestAt.getTime() < settleSeconds * 1_000;
  if (isYoung) return settling("young");
  if (fold.openEvents > 0) return settling("open");
  const isEqual = isSame(theirs, fold.certain);
  if (fold.doubtfulEvents > 0 && (!isSum || !isMoreThan(fold.certain, theirs))) return settling("in_doubt");
  if (isEqual) return { result: "equal", reason: null };
  const isSeenTwice = agreesSince !== null && now.getTime() - agreesSince.getTime() >= absenceSeconds * 1_000;
  return isSeenTwice ? different : settling("first_look");
}

const different = { result: "different", reason: null } as const;
const settling = (reason: SettlingReason): Judgement => ({ result: "settling", reason });

/** Stripe gives its sums as floating-point numbers: past 2^53 ours is as exact as theirs can be. */
function isSame(theirs: string, ours: string): boolean {
  return theirs === ours || Number(theirs) === Number(ours);
}

function isMoreThan(one: string, other: string): boolean {
  return Number(one) > Number(other);
}

/** Ours are whole. */
function add(one: string, other: string): string {
  return String(BigInt(one) + BigInt(other));
}

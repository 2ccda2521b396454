import { isSumOfSome } from "./is-sum-of-some.ts";

/** One read of Stripe's sum of a window, and our rows of the window at that time. */
export type PastLook = { theirs: string; fingerprint: string; readAt: Date };

/** The result of a look at a window's doubtful events. Pure data, so that it can be logged. */
export type DoubtVerdict =
  /** Stripe has all of them. */
  | { kind: "all" }
  /** It has none of them. */
  | { kind: "none" }
  /** It has some of them; `missing` are the ones that it does not have. */
  | { kind: "part"; missing: bigint }
  /** Too little, so far: Stripe's sums lag, and another look must agree with this one. */
  | { kind: "wait" }
  | { kind: "unclear"; reason: UnclearReason };

type UnclearReason =
  /** Another sender, or a fault of ours. */
  | "more_than_all"
  /** Less than what is certain. */
  | "less_than_none"
  | "no_sum_of_some"
  /** Stripe gives its sums as floating-point numbers: no whole number, or one past which they are not exact. */
  | "not_exact"
  /** More and larger quantities than can be added up in every way. */
  | "too_many_sums"
  /** Events of two billing periods lie in one minute, and Stripe has some of them. */
  | "period_ends_inside"
  /** Stripe refused an event for good, and may have counted an earlier attempt at it: `retry` makes it one in doubt. */
  | "refused_after_doubt"
  /** Events of another organization, which the customer paid for before, are in doubt, too. */
  | "shared_customer";

export type SumEvidence = {
  /** Stripe's sum of the window. */
  theirs: string;
  /** The quantity that Stripe has for certain. */
  certain: bigint;
  /** The quantity that each doubtful event would add. */
  doubtful: readonly bigint[];
  /** Whether another look, long enough ago, was the same. */
  isStable: boolean;
  /** After a restore Stripe may have usage, too, that the lost database took in later. */
  mayHaveMore?: boolean;
};

/**
 * Stripe's sum of a `sum` meter's window, as evidence about its doubtful events. The sum minus the certain usage is
 * Stripe's part of them. A sum that lags is too small, never too large: to know that all are in it takes one look, to
 * know that some are not takes two.
 */
export function judgeSum({
  theirs,
  certain,
  doubtful,
  isStable,
  mayHaveMore = false,
}: SumEvidence): DoubtVerdict {
  const sum = exactInteger(theirs);
  if (sum === undefined) return { kind: "unclear", reason: "not_exact" };
  const total = doubtful.reduce((added, quantity) => added + quantity, 0n);
  const found = sum - certain;
  if (found === total) return { kind: "all" };
  if (found > total) return mayHaveMore ? { kind: "all" } : { kind: "unclear", reason: "more_than_all" };
  if (!isStable) return { kind: "wait" };
  if (found === 0n) return { kind: "none" };
  if (found < 0n) return { kind: "unclear", reason: "less_than_none" };
  const isSum = isSumOfSome(doubtful, found);
  if (isSum === undefined) return { kind: "unclear", reason: "too_many_sums" };
  return isSum ? { kind: "part", missing: total - found } : { kind: "unclear", reason: "no_sum_of_some" };
}

export type GaugeEvidence = {
  theirs: string;
  /** The value in doubt; no newer one of its billing period is known. */
  latest: bigint;
  /** Older values of the window, doubtful ones included. */
  older: readonly bigint[];
  /** No value of the window is certain: without any, Stripe's sum of it is 0. */
  mayBeEmpty: boolean;
  isStable: boolean;
};

/**
 * Stripe's value as evidence about the doubtful latest event of a `last` meter's window. Only the value is billed, so a
 * value that is the same as before needs no other evidence. But the 0 of a window that Stripe has nothing of is not billed:
 * the value of the hours before is. So a 0 in doubt is sent again there; the same value twice is billed as once.
 */
export function judgeGauge({ theirs, latest, older, mayBeEmpty, isStable }: GaugeEvidence): DoubtVerdict {
  const value = exactInteger(theirs);
  if (value === undefined) return { kind: "unclear", reason: "not_exact" };
  const isPerhapsEmpty = mayBeEmpty && value === 0n;
  if (value === latest && !isPerhapsEmpty) return { kind: "all" };
  if (!isStable) return { kind: "wait" };
  if (isPerhapsEmpty || older.includes(value)) return { kind: "none" };
  return { kind: "unclear", reason: "no_sum_of_some" };
}

/** Since when looks at a window have been the same as the newest, without one between that was not; the newest first. */
export function sameSince(looks: readonly [PastLook, ...PastLook[]]): Date {
  const [newest, ...before] = looks;
  const other = before.findIndex(
    ({ theirs, fingerprint }) => theirs !== newest.theirs || fingerprint !== newest.fingerprint,
  );
  const same = other === -1 ? before : before.slice(0, other);
  return (same.at(-1) ?? newest).readAt;
}

/** Whether the newest look is confirmed by one at least so long before it. */
export function isConfirmed(looks: readonly [PastLook, ...PastLook[]], absenceMs: number): boolean {
  return looks[0].readAt.getTime() - sameSince(looks).getTime() >= absenceMs;
}

const dayMs = 86_400_000;

/**
 * When a window is worth another look. The second follows the first as soon as it can confirm it; a window that stays
 * unclear is looked at more and more rarely, once a day in the end.
 */
export function nextLookAt(looks: readonly [PastLook, ...PastLook[]], absenceMs: number): Date {
  const lastAt = looks[0].readAt.getTime();
  const unchangedMs = lastAt - sameSince(looks).getTime();
  return new Date(lastAt + Math.max(absenceMs, Math.min(unchangedMs, dayMs)));
}

/** Stripe's number as it is exact; undefined for a fraction, or a number that floating point cannot hold. */
function exactInteger(value: string): bigint | undefined {
  if (!/^-?\d{1,16}$/.test(value)) return undefined;
  return Number.isSafeInteger(Number(value)) ? BigInt(value) : undefined;
}

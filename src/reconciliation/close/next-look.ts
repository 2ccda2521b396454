import type { Books } from "./gate-rules.ts";

export type Looked = {
  /** The database's time, by which periods are due. */
  now: Date;
  end: Date;
  /** Whether an invoice of it is known, is a draft, and is final. */
  hasInvoice: boolean;
  hasDraft: boolean;
  /** Whether its only invoices are void or were deleted: a person ended them, and may make another one. */
  isGivenUp: boolean;
  /** Whether Stripe finalizes a draft of it within days. */
  isDraftDue: boolean;
  isClosed: boolean;
  books: Books;
  /** Whether final invoices lack usage. */
  isLacking: boolean;
  /** Whether they did not at the look before, as far as it told. */
  isNewlyLacking: boolean;
  /** Whether Stripe may make its invoice yet, as when its subscription is resumed. */
  isAwaited: boolean;
};

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** Stripe takes no usage that is older than 35 days; after that a period does not change any more. */
const watchedMs = 40 * dayMs;
/** A subscription may be paused for years. */
const awaitedEveryMs = 7 * dayMs;
/** What a later look finds is told until the next one. */
const toldMs = 35 * dayMs;
const never = new Date("9999-01-01T00:00:00Z");

/**
 * When a period is looked at next: a draft that Stripe finalizes within days each minute, since it may have to be held, and all
 * else more and more rarely. A draft that waits for a person may change at any time.
 */
export function nextLook(looked: Looked): Date {
  const { now, end, isDraftDue } = looked;
  if (isDraftDue) return new Date(now.getTime() + minuteMs);
  const sinceMs = now.getTime() - end.getTime();
  const ms = sinceMs > watchedMs ? lateWaitMs(looked) : waitMs(looked, sinceMs);
  return ms === undefined ? never : new Date(now.getTime() + ms);
}

function lateWaitMs({ hasDraft, isAwaited, isNewlyLacking }: Looked): number | undefined {
  if (hasDraft) return dayMs;
  if (isAwaited) return awaitedEveryMs;
  return isNewlyLacking ? toldMs : undefined;
}

function waitMs({ hasInvoice, isGivenUp, isClosed, books, isLacking }: Looked, sinceMs: number): number {
  const isDone = (isClosed || isGivenUp) && books === "equal" && !isLacking;
  if (isDone) return dayMs;
  // Its invoice is awaited, or usage came too late and may be on its way.
  if (sinceMs < 2 * hourMs || (isClosed && sinceMs < dayMs)) return minuteMs;
  if (!hasInvoice && sinceMs < dayMs) return 10 * minuteMs;
  return sinceMs < 4 * dayMs ? hourMs : 6 * hourMs;
}

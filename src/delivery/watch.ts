import type { FinishedAttempt } from "./settle.ts";

/** Called by delivery at each step, for metrics. Must not throw, and must not wait. */
export type DeliveryWatch = {
  /** These attempts were answered, or will not be any more. Not settled yet. */
  onAnswered: (finished: readonly FinishedAttempt[]) => void;
  /** Their outcomes are recorded, and changed their meter events. */
  onSettled: (settled: readonly FinishedAttempt[]) => void;
  /** The database refuses to record this attempt, even without its answer's words. */
  onRefused: (refused: FinishedAttempt) => void;
  /** Taking jobs, making attempts, pausing or settling failed, and was logged; it is tried again. */
  onFailed: () => void;
};

/** For callers without metrics. */
export const unwatched: DeliveryWatch = { onAnswered() {}, onSettled() {}, onRefused() {}, onFailed() {} };

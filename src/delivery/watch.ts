import type { FinishedAttempt } from "./settle.ts";

/** Is told what delivery does, for metrics. Must not throw, and must not wait. */
export type DeliveryWatch = {
  /** These attempts were answered, or will not be any more. Not settled yet. */
  onAnswered: (finished: readonly FinishedAttempt[]) => void;
  /** Their outcomes are recorded, and changed their meter events. */
  onSettled: (settled: readonly FinishedAttempt[]) => void;
  /** The database refuses to record this attempt, whatever is left out of it. */
  onRefused: (refused: FinishedAttempt) => void;
  /** Taking jobs, making attempts, pausing or settling failed, and was logged; it is tried again. */
  onFailed: () => void;
};

/** For whoever has no metrics. */
export const unwatched: DeliveryWatch = { onAnswered() {}, onSettled() {}, onRefused() {}, onFailed() {} };

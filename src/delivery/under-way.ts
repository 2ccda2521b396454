import { attemptsPerSlot } from "./limits.ts";
import { createSlots } from "./slots.ts";

/** One request: its sending, and then the settling of its answer. */
export type Work<T> = {
  send: () => Promise<T>;
  settle: (answered: T) => Promise<void>;
  onError: (error: unknown) => void;
};

export type UnderWay = {
  /** How many more requests may begin. */
  room: () => number;
  /** A fetch costs the same for one job as for many, so room for a few is not filled at once. */
  isWorthAFetch: () => boolean;
  /** Begins a request; it is sent as soon as a slot is free. */
  start: <T>(work: Work<T>) => void;
  /** Resolves when the next request is settled. */
  progress: () => Promise<void>;
  allSettled: () => Promise<void>;
};

/**
 * Counts requests from the begin of their attempts until these are settled. `concurrency` of them are sent at once. For
 * each, a few others have begun and wait for a slot, or have their answer and are being settled, so that no request
 * waits for the database.
 */
export function createUnderWay({ concurrency }: { concurrency: number }): UnderWay {
  const slots = createSlots(concurrency);
  const countMax = attemptsPerSlot * concurrency;
  const unsettled = new Set<Promise<void>>();
  const room = () => countMax - unsettled.size;
  let progress = Promise.withResolvers<void>();
  return {
    room,
    isWorthAFetch: () => room() >= countMax / 2,
    start({ send, settle, onError }) {
      const work = slots
        .run(send)
        .then(settle)
        .catch(onError)
        .finally(() => {
          unsettled.delete(work);
          progress.resolve();
          progress = Promise.withResolvers();
        });
      unsettled.add(work);
    },
    progress: () => progress.promise,
    allSettled: async () => void (await Promise.all(unsettled)),
  };
}

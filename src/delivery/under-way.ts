import { attemptsPerSlot } from "./limits.ts";
import { createSlots } from "./slots.ts";

/** One request: its sending, and then the settling of its answer. */
type Work<T> = {
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
  /** Resolves when the next request is answered or settled. */
  progress: () => Promise<void>;
  allSettled: () => Promise<void>;
};

/**
 * Counts requests from the begin of their attempts until these are settled. `concurrency` of them are sent at once; a few
 * others for each have begun and wait for a slot (`attemptsPerSlot`). As many again may have their answer and be settled
 * meanwhile, so that no request waits for the database.
 */
export function createUnderWay({ concurrency }: { concurrency: number }): UnderWay {
  const slots = createSlots(concurrency);
  const unansweredMax = attemptsPerSlot * concurrency;
  const unsettledMax = 2 * unansweredMax;
  const unsettled = new Set<Promise<void>>();
  let unanswered = 0;
  let progress = Promise.withResolvers<void>();
  const room = () => Math.min(unansweredMax - unanswered, unsettledMax - unsettled.size);

  function tellProgress(): void {
    progress.resolve();
    progress = Promise.withResolvers();
  }

  async function sendInTurn<T>(send: () => Promise<T>): Promise<T> {
    unanswered += 1;
    try {
      return await slots.run(send);
    } finally {
      unanswered -= 1;
      tellProgress();
    }
  }

  return {
    room,
    isWorthAFetch: () => room() >= unansweredMax / 2,
    start({ send, settle, onError }) {
      const work = sendInTurn(send)
        .then(settle)
        .catch(onError)
        .finally(() => {
          unsettled.delete(work);
          tellProgress();
        });
      unsettled.add(work);
    },
    progress: () => progress.promise,
    allSettled: async () => void (await Promise.all(unsettled)),
  };
}

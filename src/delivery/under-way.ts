import { createSlots } from "./slots.ts";

/** One request: its sending, and then the settling of its answer. */
type Work<T> = {
  events: number;
  send: () => Promise<T>;
  settle: (answered: T) => Promise<void>;
  onError: (error: unknown) => void;
};

export type UnderWay = {
  /** How many more events may begin. */
  room: () => number;
  /** A fetch costs nearly the same for one job as for many, so room for a few is not filled at once. */
  isWorthAFetch: () => boolean;
  /** Begins a request; it is sent as soon as a slot is free. */
  start: <T>(work: Work<T>) => void;
  /** Resolves when the next request is answered or settled. */
  progress: () => Promise<void>;
  allSettled: () => Promise<void>;
};

/** Sent at once, and begun without an answer yet. */
type Bounds = { requestsMax: number; eventsMax: number };

/** How many times as many events may be unsettled as unanswered. */
const unsettledPerUnanswered = 4;
/** The next events are fetched as soon as there is room for this part of all. */
const partWorthAFetch = 1 / 4;

/**
 * Counts events from the begin of their attempts until these are settled. `requestsMax` requests are sent at once; the
 * events of a few others for each have begun and wait for a slot. Some more may have their answer and be settled
 * meanwhile, so that no request waits for the database.
 */
export function createUnderWay({ requestsMax, eventsMax }: Bounds): UnderWay {
  const slots = createSlots(requestsMax);
  const works = new Set<Promise<void>>();
  let unanswered = 0;
  let unsettled = 0;
  let progress = Promise.withResolvers<void>();
  const room = () => Math.min(eventsMax - unanswered, unsettledPerUnanswered * eventsMax - unsettled);

  function tellProgress(): void {
    progress.resolve();
    progress = Promise.withResolvers();
  }

  async function sendInTurn<T>({ events, send }: Work<T>): Promise<T> {
    unanswered += events;
    try {
      return await slots.run(send);
    } finally {
      unanswered -= events;
      tellProgress();
    }
  }

  return {
    room,
    isWorthAFetch: () => room() >= eventsMax * partWorthAFetch,
    start(request) {
      unsettled += request.events;
      const work = sendInTurn(request)
        .then(request.settle)
        .catch(request.onError)
        .finally(() => {
          works.delete(work);
          unsettled -= request.events;
          tellProgress();
        });
      works.add(work);
    },
    progress: () => progress.promise,
    allSettled: async () => void (await Promise.all(works)),
  };
}

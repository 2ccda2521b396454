import { attemptsPerSlot } from "./limits.ts";
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
  /** The same after an idle time: where all slots are free, only as many events as can be sent at once. */
  roomAfterIdling: () => number;
  /** Requests have begun that wait for a slot. */
  othersWait: () => boolean;
  /** A fetch costs nearly the same for one job as for many, so room for fewer is not filled at once. */
  worthAFetch: number;
  /** Begins a request; it is sent as soon as a slot is free. */
  start: <T>(work: Work<T>) => void;
  allSettled: () => Promise<void>;
};

type Bounds = {
  /** Requests sent at once. */
  concurrency: number;
  eventsPerRequestMax: number;
  /** Called when a request is answered or settled, and a fetch is worth it then. */
  onRoom?: () => void;
};

/** Of the events that fill a request, at most this many have begun for each request that has. */
const eventsBegunPerRequest = 20;
/** How many times as many events may be unsettled as unanswered. */
const unsettledPerUnanswered = 4;
/** The next events are fetched as soon as there is room for this part of all. */
const partWorthAFetch = 1 / 4;

/**
 * Counts requests and their events from the begin of the attempts until these are settled. `concurrency` requests are
 * sent at once; a few others for each have begun and wait for a slot (`attemptsPerSlot`). Some more may have their answer
 * and be settled meanwhile, so that no request waits for the database.
 */
export function createUnderWay({ concurrency, eventsPerRequestMax, onRoom }: Bounds): UnderWay {
  const slots = createSlots(concurrency);
  const requestsMax = attemptsPerSlot * concurrency;
  const eventsOf = (requests: number) =>
    Math.max(requests * Math.min(eventsPerRequestMax, eventsBegunPerRequest), eventsPerRequestMax);
  const eventsMax = eventsOf(requestsMax);
  const works = new Set<Promise<void>>();
  const unanswered = { requests: 0, events: 0 };
  let unsettled = 0;
  const room = () =>
    Math.min(
      // Requests may have to go out with one event each.
      (requestsMax - unanswered.requests) * eventsPerRequestMax,
      eventsMax - unanswered.events,
      unsettledPerUnanswered * eventsMax - unsettled,
    );

  const worthAFetch = eventsMax * partWorthAFetch;

  function tellRoom(): void {
    if (room() >= worthAFetch) onRoom?.();
  }

  async function sendInTurn<T>({ events, send }: Work<T>): Promise<T> {
    unanswered.requests += 1;
    unanswered.events += events;
    try {
      return await slots.run(send);
    } finally {
      unanswered.requests -= 1;
      unanswered.events -= events;
      tellRoom();
    }
  }

  return {
    room,
    roomAfterIdling: () => (unanswered.requests === 0 ? Math.min(room(), eventsOf(concurrency)) : room()),
    othersWait: () => unanswered.requests > concurrency,
    worthAFetch,
    start(request) {
      unsettled += request.events;
      const work = sendInTurn(request)
        .then(request.settle)
        .catch(request.onError)
        .finally(() => {
          works.delete(work);
          unsettled -= request.events;
          tellRoom();
        });
      works.add(work);
    },
    allSettled: async () => void (await Promise.all(works)),
  };
}

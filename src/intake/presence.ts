import { Overloaded } from "./overloaded.ts";

export type IntakeBounds = {
  /** Requests and readings that wait or are under way; more are refused. */
  requestsMax: number;
  readingsMax: number;
  /** A request that has waited longer when its turn comes is refused; as long as one waits for a connection. */
  waitMsMax: number;
};

export type Presence = {
  /** Runs `work`, and counts these readings as present meanwhile. Throws `Overloaded` when they are too many. */
  hold: <T>(readings: number, work: () => Promise<T>) => Promise<T>;
};

/** Counts what waits or is under way. */
export function createPresence({ requestsMax, readingsMax }: Omit<IntakeBounds, "waitMsMax">): Presence {
  const present = { requests: 0, readings: 0 };
  return {
    async hold(readings, work) {
      if (present.requests >= requestsMax || present.readings + readings > readingsMax)
        throw new Overloaded();
      present.requests += 1;
      present.readings += readings;
      try {
        return await work();
      } finally {
        present.requests -= 1;
        present.readings -= readings;
      }
    },
  };
}

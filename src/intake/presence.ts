import { Overloaded } from "./overloaded.ts";

export type IntakeBounds = {
  /** Requests and readings that wait or are under way; more are refused. */
  requestsMax: number;
  readingsMax: number;
  /** A request that has waited longer when its turn comes is refused; as long as one waits for a connection. */
  waitMsMax: number;
};

export type Presence = {
  /**
   * Runs `work`, and counts these readings of an organization as present meanwhile. Throws `Overloaded` when they are too many,
   * of all organizations or of this one.
   */
  hold: <T>(organizationId: string, readings: number, work: () => Promise<T>) => Promise<T>;
};

type Present = { requests: number; readings: number };

/** One organization's requests may take so much, so that none keeps the others out. */
const shareOfOne = 1 / 2;

/** Counts what waits or is under way. */
export function createPresence({ requestsMax, readingsMax }: Omit<IntakeBounds, "waitMsMax">): Presence {
  const all: Present = { requests: 0, readings: 0 };
  const ofOrganizations = new Map<string, Present>();
  const hasRoom = ({ requests, readings }: Present, more: number, share: number) =>
    requests < requestsMax * share && readings + more <= readingsMax * share;
  return {
    async hold(organizationId, readings, work) {
      const own = ofOrganizations.get(organizationId) ?? { requests: 0, readings: 0 };
      if (!hasRoom(all, readings, 1) || !hasRoom(own, readings, shareOfOne)) throw new Overloaded();
      ofOrganizations.set(organizationId, own);
      for (const present of [all, own]) {
        present.requests += 1;
        present.readings += readings;
      }
      try {
        return await work();
      } finally {
        for (const present of [all, own]) {
          present.requests -= 1;
          present.readings -= readings;
        }
        if (own.requests === 0) ofOrganizations.delete(organizationId);
      }
    },
  };
}

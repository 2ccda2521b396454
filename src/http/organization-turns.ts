import { overloaded } from "./overloaded.ts";

/** Resolves when the organization's next request may begin, with what ends it. Throws the 503 after too long a wait. */
export type OrganizationTurns = (organizationId: string) => Promise<() => void>;

type Bounds = {
  /** Requests of all organizations under way at once, and of one. */
  atOnce: number;
  atOnceOfOne: number;
  waitMsMax: number;
  /** Whose requests are too many, for the 503. */
  whose?: string;
  now: () => number;
};

type Waiting = { sinceMs: number; begin: () => void; refuse: () => void };
type Line = { underWay: number; waiting: Waiting[] };

/**
 * Requests of organizations that wait for each other: each organization has a line of its own, and the lines take turns, so
 * that one with thousands of requests makes the others wait for a few.
 */
export function createOrganizationTurns(bounds: Bounds): OrganizationTurns {
  const { atOnce, atOnceOfOne, waitMsMax, whose = "this organization", now } = bounds;
  // In the order of the turns.
  const lines = new Map<string, Line>();
  let underWay = 0;

  function beginNext(): void {
    for (const [organizationId, line] of lines) {
      if (underWay >= atOnce) return;
      if (line.underWay >= atOnceOfOne) continue;
      const inTime = line.waiting.findIndex(({ sinceMs }) => now() - sinceMs <= waitMsMax);
      for (const late of line.waiting.splice(0, inTime === -1 ? line.waiting.length : inTime)) late.refuse();
      const next = line.waiting.shift();
      if (next === undefined) {
        if (line.underWay === 0) lines.delete(organizationId);
        continue;
      }
      line.underWay += 1;
      underWay += 1;
      // Behind all others, and so looked at again below.
      lines.delete(organizationId);
      lines.set(organizationId, line);
      next.begin();
    }
  }

  function end(organizationId: string, line: Line): void {
    line.underWay -= 1;
    underWay -= 1;
    beginNext();
    if (line.underWay === 0 && line.waiting.length === 0) lines.delete(organizationId);
  }

  return (organizationId) =>
    new Promise((resolve, reject) => {
      const line = lines.get(organizationId) ?? { underWay: 0, waiting: [] };
      lines.set(organizationId, line);
      line.waiting.push({
        sinceMs: now(),
        begin: () => resolve(() => end(organizationId, line)),
        refuse: () =>
          reject(overloaded(`Too many requests of ${whose} wait. Nothing was done for this one.`)),
      });
      beginNext();
    });
}

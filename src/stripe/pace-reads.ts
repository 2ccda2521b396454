import { setTimeout as wait } from "node:timers/promises";

/** Resolves when the next read of a path may leave. */
export type Pace = (path: string) => Promise<void>;

/** Stripe allows 25 requests a second of each endpoint. */
const betweenMs = 50;

/**
 * Lets one read of each endpoint leave every 50 ms. Thousands of billing periods may end in one second, and Stripe would answer
 * most of their reads with 429.
 */
export function paceReads(): Pace {
  const free = new Map<string, Promise<unknown>>();
  return async (path) => {
    const endpoint = endpointOf(path);
    const turn = free.get(endpoint) ?? Promise.resolve();
    free.set(
      endpoint,
      turn.then(() => wait(betweenMs)),
    );
    await turn;
  };
}

/** A path without its query and its objects' ids, such as `/v1/customers/:id`. */
function endpointOf(path: string): string {
  const [place = ""] = path.split("?");
  return place.replace(/\/[^/]*_[^/]*\d[^/]*/g, "/:id");
}

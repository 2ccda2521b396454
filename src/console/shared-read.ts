import { setTimeout as sleep } from "node:timers/promises";

/**
 * The result of a read, and its time. `failure`: the latest try failed, so that the result is older than it should be.
 */
export type Shared<T> = { value: T; readAt: Date; failure: Error | undefined };

/** `fresh`: what an action has just changed shall be seen, so that a result of before is not given. */
export type SharedRead<T> = (options?: { fresh?: boolean }) => Promise<Shared<T>>;

export type SharedLimits = {
  /** A read is not repeated sooner. */
  reusedMs: number;
  /** Nor sooner than so many times as long as it took: the share of a connection that it keeps busy at most. */
  reusedPerDuration: number;
  /** But a read this old is repeated. */
  reusedMsMax: number;
};

/** Half a hundredth of a connection at most, as long as the read takes less than 0.1 s. */
export const liveLimits: SharedLimits = { reusedMs: 1_500, reusedPerDuration: 200, reusedMsMax: 20_000 };

/**
 * Reads when asked, once for all callers that ask meanwhile and for a while after. When a read fails, the result of the
 * one before is given again with the failure; the first failure of all throws.
 */
export function createSharedRead<T>(
  read: () => Promise<T>,
  { reusedMs, reusedPerDuration, reusedMsMax }: SharedLimits,
  clockMs: () => number = () => performance.now(),
): SharedRead<T> {
  let latest: Shared<T> | undefined;
  let goodUntilMs = Number.NEGATIVE_INFINITY;
  let underWay: Promise<Shared<T>> | undefined;

  async function readAgain(): Promise<Shared<T>> {
    const startedMs = clockMs();
    try {
      latest = { value: await read(), readAt: new Date(), failure: undefined };
    } catch (error) {
      if (latest === undefined) throw error;
      latest = { ...latest, failure: error instanceof Error ? error : new Error(String(error)) };
    }
    const endedMs = clockMs();
    goodUntilMs =
      endedMs + Math.min(reusedMsMax, Math.max(reusedMs, (endedMs - startedMs) * reusedPerDuration));
    return latest;
  }

  return async ({ fresh = false } = {}) => {
    if (fresh) {
      await underWay;
      goodUntilMs = Number.NEGATIVE_INFINITY;
    }
    if (latest !== undefined && clockMs() < goodUntilMs) return latest;
    underWay ??= readAgain().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}

/**
 * The same for readers who do not wait longer than `waitMs`: while a read takes longer than that, each of them gets the result of
 * the one before, however old it is, or undefined before the first. Throws as `read` does when it fails in time; one that
 * fails later is made again for the next reader.
 */
export function withinWait<T>(read: SharedRead<T>, waitMs: number): () => Promise<Shared<T> | undefined> {
  let latest: Shared<T> | undefined;

  async function keepLatest(): Promise<void> {
    latest = await read();
  }

  return async () => {
    const reading = keepLatest();
    reading.catch(() => {});
    await Promise.race([reading, sleep(waitMs, undefined, { ref: false })]);
    return latest;
  };
}

import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import type { Log } from "../log.ts";
import type { FinishedAttempt } from "./settle.ts";
import { settleBatch } from "./settle-batch.ts";
import { type DeliveryWatch, unwatched } from "./watch.ts";

export type Settler = {
  /** Resolves once the attempt is recorded, or reported because the database refuses to record it. */
  settle: (finished: FinishedAttempt) => Promise<void>;
};

/** Attempts settled in one transaction at most. */
const batchMax = 500;
const retryAfterMs = 500;

/**
 * Settles attempts as they end. Attempts that end during a transaction share the next one, so each waits for one
 * transaction at most. While the database cannot be reached their outcomes are kept and tried again.
 */
export function createSettler(
  deps: { db: Db; boss: PgBoss; log: Log },
  watch: DeliveryWatch = unwatched,
): Settler {
  let waiting: { finished: FinishedAttempt; resolve: () => void }[] = [];
  let isSettling = false;

  async function settleWaiting(): Promise<void> {
    isSettling = true;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, batchMax);
      const left = new Set(
        await settleBatch(
          { ...deps, watch },
          batch.map(({ finished }) => finished),
        ),
      );
      for (const { finished, resolve } of batch) if (!left.has(finished)) resolve();
      waiting = waiting.filter(({ finished }, index) => index >= batch.length || left.has(finished));
      // A process that ends without its database leaves these attempts to the next one: it must not wait for ever.
      if (left.size > 0) await new Promise((resolve) => setTimeout(resolve, retryAfterMs).unref());
    }
    isSettling = false;
  }

  return {
    settle: (finished) =>
      new Promise((resolve) => {
        waiting.push({ finished, resolve });
        if (!isSettling) void settleWaiting();
      }),
  };
}

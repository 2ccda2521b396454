import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import type { Shards } from "../database/shards.ts";
import type { Log } from "../log.ts";
import type { Backoff, FinishedAttempt } from "./settle.ts";
import { settleBatch } from "./settle-batch.ts";
import { type DeliveryWatch, unwatched } from "./watch.ts";

export type Settler = {
  /** Resolves once the attempt is recorded, or reported because the database refuses to record it. */
  settle: (finished: FinishedAttempt) => Promise<void>;
};

export type SettlerOptions = {
  watch?: DeliveryWatch;
  /** Whether attempts wait to be sent, so that a customer whose event is settled later holds up no request. */
  othersWait?: () => boolean;
};

type Waiting = { finished: FinishedAttempt; resolve: () => void };

/** Transactions at once: while one is on its way to the disk, the next one is computed. */
const transactionsMax = 2;
/** Attempts settled in one transaction at most. */
const batchMax = 500;
/** Answers that come within this time share a transaction, which costs nearly the same for one as for many. */
const gatherMs = 3;
/**
 * While answers go on coming and other attempts wait to be sent, so many share one, or those of this time: a tenth of what
 * an event of a drain cost Postgres were statements that had 40 of them on average.
 */
const enough = 100;
const patienceMs = 25;
const retryAfterMs = 500;

/**
 * Settles attempts as they end. Attempts that end within a few milliseconds, or while the database is busy with others,
 * share the next transaction, so each waits for one transaction at most. While the database cannot be reached their
 * outcomes are kept and tried again.
 */
export function createSettler(
  deps: { db: Db; boss: PgBoss; log: Log; shards?: Shards; backoff?: Backoff | undefined },
  { watch = unwatched, othersWait = () => false }: SettlerOptions = {},
): Settler {
  let waiting: Waiting[] = [];
  let transactions = 0;
  let isGathering = false;

  function begin(): void {
    if (transactions >= transactionsMax || waiting.length === 0) return;
    if (waiting.length >= enough) void settleWaiting();
    else if (!isGathering) gather(performance.now());
  }

  function gather(sinceMs: number): void {
    isGathering = true;
    const before = waiting.length;
    setTimeout(() => {
      const comeOn = waiting.length > before && othersWait() && performance.now() - sinceMs < patienceMs;
      if (comeOn) return gather(sinceMs);
      isGathering = false;
      if (transactions < transactionsMax && waiting.length > 0) void settleWaiting();
    }, gatherMs);
  }

  async function settleWaiting(): Promise<void> {
    transactions += 1;
    const batch = waiting.slice(0, batchMax);
    waiting = waiting.slice(batchMax);
    const left = new Set(
      await settleBatch(
        { ...deps, watch },
        batch.map(({ finished }) => finished),
      ),
    );
    for (const { finished, resolve } of batch) if (!left.has(finished)) resolve();
    if (left.size > 0) {
      // Behind the others: a node of a cluster that is away holds up its own organizations only.
      waiting = [...waiting, ...batch.filter(({ finished }) => left.has(finished))];
      // A process that ends without its database leaves these attempts to the next one: it must not wait for ever.
      await new Promise((resolve) => setTimeout(resolve, retryAfterMs).unref());
    }
    transactions -= 1;
    begin();
  }

  return {
    settle: (finished) =>
      new Promise((resolve) => {
        waiting.push({ finished, resolve });
        begin();
      }),
  };
}

import type { NotConnected } from "./commit-batches.ts";
import type { StoredAs } from "./judge-stored.ts";
import { Overloaded } from "./overloaded.ts";
import type { Batch } from "./columns.ts";

const readingsPerStatementMax = 1_000;

/** The batch of one small request, and its caller. */
export type WaitingBatch = {
  batch: Batch;
  sinceMs: number;
  resolve: (stored: StoredAs[]) => void;
  reject: (error: unknown) => void;
};

export type WaitingBatches = {
  /** Resolves with the results of the batch's readings. */
  add: (batch: Batch) => Promise<StoredAs[]>;
  count: () => number;
  /** Takes the oldest that one statement can hold. */
  takeGroup: () => WaitingBatch[];
  isLate: (waiting: WaitingBatch) => boolean;
  /** Refuses with `Overloaded` the batches that have waited too long. */
  refuseLate: () => void;
  refuseAll: (error: NotConnected) => void;
};

/** The batches of small requests that wait for the next statement, the oldest first. */
export function createWaitingBatches({
  waitMsMax,
  now,
}: {
  waitMsMax: number;
  now: () => number;
}): WaitingBatches {
  let waiting: WaitingBatch[] = [];
  const isLate = ({ sinceMs }: WaitingBatch) => now() - sinceMs > waitMsMax;

  function take(count: number): WaitingBatch[] {
    const taken = waiting.slice(0, count);
    waiting = waiting.slice(count);
    return taken;
  }

  return {
    add(batch) {
      const { promise, resolve, reject } = Promise.withResolvers<StoredAs[]>();
      waiting.push({ batch, sinceMs: now(), resolve, reject });
      return promise;
    },
    count: () => waiting.length,
    takeGroup: () => take(countForOneStatement(waiting)),
    isLate,
    refuseLate() {
      const inTime = waiting.findIndex((one) => !isLate(one));
      if (inTime === 0) return;
      const late = take(inTime === -1 ? waiting.length : inTime);
      for (const { reject } of late) reject(new Overloaded());
    },
    refuseAll(error) {
      for (const { reject } of take(waiting.length)) reject(error);
    },
  };
}

function countForOneStatement(waiting: readonly WaitingBatch[]): number {
  let readings = 0;
  let count = 0;
  for (const { batch } of waiting) {
    readings += batch.readings.length;
    if (readings > readingsPerStatementMax) break;
    count += 1;
  }
  return count;
}

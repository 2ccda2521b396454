import pg from "pg";
import { isDatabaseUnavailable } from "../database/database-unavailable.ts";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import { commitBatches, NotConnected, type StoreReadings } from "./commit-batches.ts";
import type { StoredAs } from "./judge-stored.ts";
import { Overloaded } from "./overloaded.ts";
import type { Batch } from "./store-readings.ts";
import { inStoreSpan } from "./store-span.ts";

/** Statements of small requests under way at once: one is prepared while Postgres works on the other. */
const sharedStatementsMax = 2;
const readingsPerStatementMax = 1_000;
/** From here on a request gains nothing from company. */
const readingsAloneFrom = 250;

export type IntakeBounds = {
  /** Requests and readings that are waiting or under way; what comes on top is refused. */
  requestsMax: number;
  readingsMax: number;
  /** Whoever has waited longer when its turn comes is refused; as long as one waits for a connection. */
  waitMsMax: number;
};

export type GroupCommitOptions = { bounds?: IntakeBounds; tracer?: Tracer; now?: () => number };

const usualBounds: IntakeBounds = { requestsMax: 10_000, readingsMax: 100_000, waitMsMax: 5_000 };

type Waiting = Batch & {
  sinceMs: number;
  resolve: (stored: StoredAs[]) => void;
  reject: (error: unknown) => void;
};

/**
 * Group commit: small requests that arrive while statements are under way share the next one, across organizations;
 * a large one goes alone at once. Nobody waits for a timer. Each caller gets its own result after its own commit.
 *
 * - When Postgres refuses a shared statement, its requests are sent again one by one, so that a bad one fails alone.
 * - When the connection breaks, the outcome is unknown for all who shared the statement.
 * - When no connection can be had, those who wait are told at once, since they would wait for nothing.
 * - When `bounds` are reached, a request is refused with `Overloaded`; nothing of it was stored. So nobody
 *   waits for a statement that hangs and then for the next that does.
 */
export function createGroupCommit(
  pool: pg.Pool,
  { bounds = usualBounds, tracer = untraced, now = () => performance.now() }: GroupCommitOptions = {},
): StoreReadings {
  let waiting: Waiting[] = [];
  let sharedStatements = 0;
  let isStartPlanned = false;
  const present = { requests: 0, readings: 0 };
  const commit = (batches: readonly Batch[]) =>
    inStoreSpan(tracer, batches, (traceparent) => commitBatches(pool, batches, { traceparent }));

  /** After what else arrived in this turn of the event loop, so that it shares the statement. */
  function planStart(): void {
    if (isStartPlanned || waiting.length === 0 || sharedStatements >= sharedStatementsMax) return;
    isStartPlanned = true;
    setImmediate(start);
  }

  function start(): void {
    isStartPlanned = false;
    refuseLate();
    // All may have been refused since.
    if (waiting.length === 0) return;
    const group = takeGroup();
    sharedStatements += 1;
    void commitGroup(group).finally(() => {
      sharedStatements -= 1;
      planStart();
    });
    planStart();
  }

  function takeGroup(): Waiting[] {
    let readings = 0;
    let requests = 0;
    for (const batch of waiting) {
      readings += batch.readings.length;
      if (readings > readingsPerStatementMax) break;
      requests += 1;
    }
    const group = waiting.slice(0, requests);
    waiting = waiting.slice(requests);
    return group;
  }

  async function commitGroup(group: readonly Waiting[]): Promise<void> {
    try {
      const stored = await commit(group);
      for (const [n, batch] of group.entries()) batch.resolve(stored[n] ?? []);
    } catch (error) {
      if (group.length > 1 && isPerhapsOneRequestsFault(error)) return commitOneByOne(group);
      for (const batch of group) batch.reject(error);
      if (error instanceof NotConnected) refuseWaiting(error);
    }
  }

  async function commitOneByOne(group: readonly Waiting[]): Promise<void> {
    for (const batch of group) {
      if (isLate(batch)) batch.reject(new Overloaded());
      else await commitGroup([batch]);
    }
  }

  const isLate = ({ sinceMs }: Waiting) => now() - sinceMs > bounds.waitMsMax;

  /** The oldest are the first. */
  function refuseLate(): void {
    const inTime = waiting.findIndex((batch) => !isLate(batch));
    if (inTime === 0) return;
    const late = waiting.splice(0, inTime === -1 ? waiting.length : inTime);
    for (const batch of late) batch.reject(new Overloaded());
  }

  function refuseWaiting(error: NotConnected): void {
    const refused = waiting;
    waiting = [];
    for (const batch of refused) batch.reject(error);
  }

  async function storeAlone(batch: Batch): Promise<StoredAs[]> {
    const [stored = []] = await commit([batch]);
    return stored;
  }

  function storeInCompany(batch: Batch): Promise<StoredAs[]> {
    const { promise, resolve, reject } = Promise.withResolvers<StoredAs[]>();
    waiting.push({ ...batch, sinceMs: now(), resolve, reject });
    planStart();
    return promise;
  }

  return async (organizationId, readings) => {
    if (present.requests >= bounds.requestsMax || present.readings + readings.length > bounds.readingsMax) {
      throw new Overloaded();
    }
    present.requests += 1;
    present.readings += readings.length;
    try {
      const batch = { organizationId, readings, traceparent: tracer.current() };
      return await (readings.length < readingsAloneFrom ? storeInCompany(batch) : storeAlone(batch));
    } finally {
      present.requests -= 1;
      present.readings -= readings.length;
    }
  };
}

/** Something in the statement's rows, rather than the server's own state, which would fail each of them again. */
function isPerhapsOneRequestsFault(error: unknown): boolean {
  return error instanceof pg.DatabaseError && !isDatabaseUnavailable(error);
}

import pg from "pg";
import { isDatabaseUnavailable } from "../database/database-unavailable.ts";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import { commitBatches, NotConnected, type StoreReadings } from "./commit-batches.ts";
import type { StoredAs } from "./judge-stored.ts";
import { Overloaded } from "./overloaded.ts";
import type { Batch } from "./store-readings.ts";
import { inStoreSpan } from "./store-span.ts";
import { createWaitingBatches, type WaitingBatch, type WaitingBatches } from "./waiting-batches.ts";

/** Statements of small requests under way at once: one is prepared while Postgres works on the other. */
const sharedStatementsMax = 2;
/** A request of this size gains nothing from sharing a statement. */
const readingsAloneFrom = 250;

type IntakeBounds = {
  /** Requests and readings that wait or are under way; more are refused. */
  requestsMax: number;
  readingsMax: number;
  /** A request that has waited longer when its turn comes is refused; as long as one waits for a connection. */
  waitMsMax: number;
};

export type GroupCommitOptions = { bounds?: IntakeBounds; tracer?: Tracer; now?: () => number };

const usualBounds: IntakeBounds = { requestsMax: 10_000, readingsMax: 100_000, waitMsMax: 5_000 };

type Commit = (batches: readonly Batch[]) => Promise<StoredAs[][]>;

/**
 * Group commit: small requests that arrive while statements are under way share the next one, across organizations;
 * a large one goes alone at once. No request waits for a timer. Each caller gets its own result after its own commit.
 *
 * - When Postgres refuses a shared statement, its requests are sent again one by one, so that a bad one fails alone.
 * - When the connection breaks, the outcome is unknown for all who shared the statement.
 * - When no connection can be had, the requests that wait are told at once, since they would wait for nothing.
 * - When `bounds` are reached, a request is refused with `Overloaded`; nothing of it was stored. So no request waits for
 *   a statement that hangs and then for the next one that does.
 */
export function createGroupCommit(
  pool: pg.Pool,
  { bounds = usualBounds, tracer = untraced, now = () => performance.now() }: GroupCommitOptions = {},
): StoreReadings {
  const present = { requests: 0, readings: 0 };
  const commit: Commit = (batches) =>
    inStoreSpan(tracer, batches, (traceparent) => commitBatches(pool, batches, { traceparent }));
  const storeInCompany = shareStatements(commit, createWaitingBatches({ waitMsMax: bounds.waitMsMax, now }));

  async function storeAlone(batch: Batch): Promise<StoredAs[]> {
    const [stored = []] = await commit([batch]);
    return stored;
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

/** Lets the waiting batches share statements, of which a few are under way at once. */
function shareStatements(commit: Commit, waiting: WaitingBatches): (batch: Batch) => Promise<StoredAs[]> {
  let statements = 0;
  let isStartPlanned = false;

  /** After the other requests that arrived in this turn of the event loop, so that they share the statement. */
  function planStart(): void {
    if (isStartPlanned || waiting.isEmpty() || statements >= sharedStatementsMax) return;
    isStartPlanned = true;
    setImmediate(start);
  }

  function start(): void {
    isStartPlanned = false;
    waiting.refuseLate();
    // All may have been refused since.
    if (waiting.isEmpty()) return;
    const group = waiting.takeGroup();
    statements += 1;
    void commitGroup(group, { commit, waiting }).finally(() => {
      statements -= 1;
      planStart();
    });
    planStart();
  }

  return (batch) => {
    const stored = waiting.add(batch);
    planStart();
    return stored;
  };
}

type GroupTools = { commit: Commit; waiting: WaitingBatches };

async function commitGroup(group: readonly WaitingBatch[], tools: GroupTools): Promise<void> {
  try {
    const stored = await tools.commit(group.map(({ batch }) => batch));
    for (const [n, { resolve }] of group.entries()) resolve(stored[n] ?? []);
  } catch (error) {
    if (group.length > 1 && isPerhapsOneRequestsFault(error)) return commitOneByOne(group, tools);
    for (const { reject } of group) reject(error);
    if (error instanceof NotConnected) tools.waiting.refuseAll(error);
  }
}

async function commitOneByOne(group: readonly WaitingBatch[], tools: GroupTools): Promise<void> {
  for (const one of group) {
    if (tools.waiting.isLate(one)) one.reject(new Overloaded());
    else await commitGroup([one], tools);
  }
}

/** An error of the statement's rows, not of the server's own state, which would fail each of them again. */
function isPerhapsOneRequestsFault(error: unknown): boolean {
  return error instanceof pg.DatabaseError && !isDatabaseUnavailable(error);
}

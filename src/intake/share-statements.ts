import pg from "pg";
import { isDatabaseUnavailable } from "../database/database-unavailable.ts";
import { NotConnected } from "./commit-batches.ts";
import type { StoredAs } from "./judge-stored.ts";
import { Overloaded } from "./overloaded.ts";
import type { Batch } from "./columns.ts";
import type { WaitingBatch, WaitingBatches } from "./waiting-batches.ts";

export type Commit = (batches: readonly Batch[]) => Promise<StoredAs[][]>;

/**
 * So many waiting requests begin a statement at once, and do not wait for the others of this turn of the event loop, nor
 * for the answers of the statement before: else all clients of a closed load end up in one statement, and the database
 * and this process work in turns. Fewer would pay a statement's own costs more often.
 */
const requestsBeginAt = 32;

/**
 * Lets the waiting batches share statements, of which so many are under way at once. Where that is one, it begins only when
 * a turn of the event loop brings no further request: a transaction of a cluster's node costs as much as some 25 of its
 * readings, and while requests still arrive, this process has other work.
 */
export function shareStatements(
  commit: Commit,
  waiting: WaitingBatches,
  statementsMax: number,
): (batch: Batch) => Promise<StoredAs[]> {
  let statements = 0;
  let isStartPlanned = false;

  function startOrPlan(): void {
    if (waiting.count() === 0 || statements >= statementsMax) return;
    if (waiting.count() >= requestsBeginAt) return start();
    if (isStartPlanned) return;
    // After the other requests that arrived in this turn of the event loop, so that they share the statement.
    isStartPlanned = true;
    const countBefore = waiting.count();
    setImmediate(() => {
      isStartPlanned = false;
      if (statementsMax === 1 && waiting.count() > countBefore) startOrPlan();
      else if (statements < statementsMax) start();
    });
  }

  function start(): void {
    waiting.refuseLate();
    // All may have been refused since.
    if (waiting.count() === 0) return;
    void runStatement(waiting.takeGroup());
    startOrPlan();
  }

  async function runStatement(group: readonly WaitingBatch[]): Promise<void> {
    statements += 1;
    const answer = await commitGroup(group, { commit, waiting });
    statements -= 1;
    startOrPlan();
    answer();
  }

  return (batch) => {
    const stored = waiting.add(batch);
    startOrPlan();
    return stored;
  };
}

type GroupTools = { commit: Commit; waiting: WaitingBatches };

/** Stores a group. Resolves with what is left to do for it: to answer its callers, unless they have been told of an error. */
async function commitGroup(group: readonly WaitingBatch[], tools: GroupTools): Promise<() => void> {
  try {
    const stored = await tools.commit(group.map(({ batch }) => batch));
    return () => {
      for (const [n, { resolve }] of group.entries()) resolve(stored[n] ?? []);
    };
  } catch (error) {
    if (group.length > 1 && isPerhapsOneRequestsFault(error)) return commitOneByOne(group, tools);
    for (const { reject } of group) reject(error);
    if (error instanceof NotConnected) tools.waiting.refuseAll(error);
    return () => undefined;
  }
}

/** Each caller is answered as soon as its own statement has ended. */
async function commitOneByOne(group: readonly WaitingBatch[], tools: GroupTools): Promise<() => void> {
  for (const one of group) {
    if (tools.waiting.isLate(one)) one.reject(new Overloaded());
    else (await commitGroup([one], tools))();
  }
  return () => undefined;
}

/** An error of the statement's rows, not of the server's own state, which would fail each of them again. */
function isPerhapsOneRequestsFault(error: unknown): boolean {
  return error instanceof pg.DatabaseError && !isDatabaseUnavailable(error);
}

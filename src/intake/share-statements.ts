import pg from "pg";
import { isDatabaseUnavailable } from "../database/database-unavailable.ts";
import { NotConnected } from "./commit-batches.ts";
import type { StoredAs } from "./judge-stored.ts";
import { Overloaded } from "./overloaded.ts";
import type { Batch } from "./columns.ts";
import type { WaitingBatch, WaitingBatches } from "./waiting-batches.ts";

export type Commit = (batches: readonly Batch[]) => Promise<StoredAs[][]>;

/** Lets the waiting batches share statements, of which so many are under way at once. */
export function shareStatements(
  commit: Commit,
  waiting: WaitingBatches,
  statementsMax: number,
): (batch: Batch) => Promise<StoredAs[]> {
  let statements = 0;
  let isStartPlanned = false;

  /** After the other requests that arrived in this turn of the event loop, so that they share the statement. */
  function planStart(): void {
    if (isStartPlanned || waiting.isEmpty() || statements >= statementsMax) return;
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

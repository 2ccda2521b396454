import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import { namesOrganizations } from "../database/by-shard.ts";
import type { Db } from "../database/db.ts";
import { inTransaction } from "../database/in-transaction.ts";
import { onEachShardGroup } from "../database/shard-groups.ts";
import { insideTransaction } from "../queue/boss.ts";
import { reconcileRequestQueue } from "../queue/queues.ts";
import type { ComparedWindows } from "./compared-windows.ts";
import type { Span } from "./windows.ts";

export type ReconcileRequest = Span & { organizationId: string; id: string; cause: "operator" | "restore" };

/** The state of a request. */
export type RequestState =
  | { state: "waiting" }
  | { state: "answered"; answer: ComparedWindows }
  | { state: "failed"; error: string };

/**
 * Asks the workers, the only processes with Stripe's key, to compare an organization's usage, in the open transaction or in
 * a new one. Returns the request's id.
 */
export async function askForComparison(
  { db, boss }: { db: Db; boss: PgBoss },
  { organizationId, start, end }: { organizationId: string } & Span,
): Promise<string> {
  return inTransaction(db, async (trx) => {
    const { id } = await trx
      .insertInto("reconcile_requests")
      .values({ organization_id: organizationId, cause: "operator", period_from: start, period_to: end })
      .returning("id")
      .executeTakeFirstOrThrow();
    await boss.send(
      reconcileRequestQueue.name,
      { organizationId, requestId: id },
      { singletonKey: id, db: insideTransaction(trx) },
    );
    return id;
  });
}

/** The state of a request; undefined when there is none of this id, any more. */
export async function readRequest(
  db: Db,
  { organizationId, id }: Pick<ReconcileRequest, "organizationId" | "id">,
): Promise<RequestState | undefined> {
  const found = await sql<{ doneAt: Date | null; answer: ComparedWindows | null; error: string | null }>`
    select done_at as "doneAt", answer, error
    from metering.reconcile_requests
    where organization_id = ${organizationId} and id = ${id}
  `.execute(db);
  const [row] = found.rows;
  if (row === undefined) return undefined;
  if (row.error !== null) return { state: "failed", error: row.error };
  return row.answer === null ? { state: "waiting" } : { state: "answered", answer: row.answer };
}

/** A request without an answer yet. */
export async function findWaitingRequest(
  db: Db,
  { organizationId, id }: Pick<ReconcileRequest, "organizationId" | "id">,
): Promise<ReconcileRequest | undefined> {
  const found = await sql<ReconcileRequest>`
    select organization_id as "organizationId", id, cause, period_from as start, period_to as "end"
    from metering.reconcile_requests
    where organization_id = ${organizationId} and id = ${id} and done_at is null
  `.execute(db);
  return found.rows[0];
}

/** Ends a request, with the result or with the reason why there is none. */
export async function endRequest(
  db: Db,
  { organizationId, id }: ReconcileRequest,
  outcome: { answer: ComparedWindows } | { error: string },
): Promise<void> {
  const answer = "answer" in outcome ? JSON.stringify(outcome.answer) : null;
  const error = "error" in outcome ? outcome.error : null;
  await sql`
    update metering.reconcile_requests
    set done_at = now(), answer = ${answer}::jsonb, error = ${error}
    where organization_id = ${organizationId} and id = ${id} and done_at is null
  `.execute(db);
}

/**
 * Requests that have waited for longer than a job takes to begin: theirs may be lost. `faults`: why those of some
 * organizations of a cluster are left out.
 */
export async function listForgottenRequests(
  db: Db,
): Promise<{ requests: Pick<ReconcileRequest, "organizationId" | "id">[]; faults: unknown[] }> {
  const { done, errors } = await onEachShardGroup(db, {}, async (shard) => {
    const found = await sql<Pick<ReconcileRequest, "organizationId" | "id">>`
      select organization_id as "organizationId", id
      from metering.reconcile_requests r
      where done_at is null and asked_at < now() - interval '1 minute' ${namesOrganizations(shard)("r")}
      order by asked_at
      limit 1000
    `.execute(db);
    return found.rows;
  });
  return { requests: done.flat(), faults: errors };
}

/**
 * Deletes requests that were answered so many days ago; what was compared stays in reconciliations. Those of a node of a
 * cluster that is away stay for now.
 */
export async function purgeRequests(db: Db, { keptDays }: { keptDays: number }): Promise<void> {
  await onEachShardGroup(db, {}, (shard) =>
    sql`
      delete from metering.reconcile_requests r
      where done_at < now() - make_interval(days => ${keptDays}) ${namesOrganizations(shard)("r")}
    `.execute(db),
  );
}

import { sql } from "kysely";
import { byIndex } from "../database/one-plan.ts";
import type { Db } from "../database/db.ts";
import { isHeld, joinBilledUntil } from "./held.ts";

export type UnsealedReport = {
  entries: number;
  quantity: number;
  oldestAt: Date | null;
  /** When the oldest came of those that a customer pays for, so that the seal takes them. */
  oldestDueAt: Date | null;
  /** The entries that no Stripe customer pays for. They are counted above too. */
  held: { entries: number; quantity: number };
};

/** The entries of the outbox that are not sealed yet. */
export async function reportUnsealed(db: Db): Promise<UnsealedReport> {
  const report = await byIndex(db, (trx) =>
    sql<{
      entries: number;
      quantity: number;
      oldest_at: Date | null;
      oldest_due_at: Date | null;
      held_entries: number;
      held_quantity: number;
    }>`
    select
      count(*)::float8 as entries,
      coalesce(sum(e.quantity), 0)::float8 as quantity,
      min(e.occurred_at) as oldest_at,
      min(e.occurred_at) filter (where not ${isHeld}) as oldest_due_at,
      count(*) filter (where ${isHeld})::float8 as held_entries,
      coalesce(sum(e.quantity) filter (where ${isHeld}), 0)::float8 as held_quantity
    from metering.meter_outbox e
    ${joinBilledUntil}
    where e.meter_event_id is null
  `.execute(trx),
  );
  const [row] = report.rows;
  if (row === undefined) throw new Error("an aggregate without a row");
  return {
    entries: row.entries,
    quantity: row.quantity,
    oldestAt: row.oldest_at,
    oldestDueAt: row.oldest_due_at,
    held: { entries: row.held_entries, quantity: row.held_quantity },
  };
}

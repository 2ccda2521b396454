import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Db, Trx } from "../database/db.ts";
import { type Reminder, remindToDeliver } from "../queue/deliver-job.ts";
import { shipmentQueueOf } from "../queue/queues.ts";
import { meterNames } from "../usage/meters.ts";

/**
 * Reminds of each of these pending events by a job of its own, apart from those whose shipment still reminds of them.
 * Returns how many jobs were made: pg-boss leaves a reminder that exists already alone.
 */
export async function remindUnshipped(
  { db, boss, trx }: { db: Db; boss: PgBoss; trx?: Trx },
  pending: readonly Reminder[],
): Promise<number> {
  const ids = new Set(pending.flatMap(({ shipmentId }) => shipmentId ?? []));
  const shipments = await listOpen(trx ?? db, [...ids]);
  const reminders = pending.filter(({ shipmentId }) => !shipments.has(shipmentId ?? ""));
  return remindToDeliver(
    boss,
    reminders.map((reminder) => ({ ...reminder, shipmentId: null })),
    trx,
  );
}

async function listOpen(db: Db, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const { rows } = await sql<{ id: string }>`
    select j.id
    from unnest(${meterNames.map(shipmentQueueOf)}::text[]) q (name)
    cross join unnest(${ids}::uuid[]) s (id)
    join pgboss.job j on j.name = q.name and j.id = s.id
    where j.state <= 'active'
  `.execute(db);
  return new Set(rows.map(({ id }) => id));
}

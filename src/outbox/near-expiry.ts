import { sql } from "kysely";
import { byIndex } from "../database/one-plan.ts";
import type { Db } from "../database/db.ts";

export type NearExpiry = { entries: number; oldestAt: Date | null };

/** Unsealed entries that are at least `ageDays` old, and the oldest one: usage that Stripe will soon refuse. */
export async function reportOldEntries(db: Db, { ageDays }: { ageDays: number }): Promise<NearExpiry> {
  const old = await byIndex(db, (trx) =>
    sql<NearExpiry>`
    select count(*)::float8 as entries, min(occurred_at) as "oldestAt"
    from metering.meter_outbox
    where meter_event_id is null and occurred_at < now() - make_interval(days => ${ageDays})
  `.execute(trx),
  );
  return old.rows[0] ?? { entries: 0, oldestAt: null };
}

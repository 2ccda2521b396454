import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { unfinishedAttemptsMax } from "../../delivery/limits.ts";
import { passSeconds } from "../model/pass-time.ts";
import { until } from "../../testing/processes/until.ts";

type Left = { unsealed: number; pending: number };

/** Waits until nothing is left to seal or to deliver. */
export async function untilDrained(db: Db, { withinMs }: { withinMs: number }): Promise<void> {
  await until(
    async () => {
      const { unsealed, pending } = await readLeft(db);
      return unsealed + pending === 0;
    },
    { what: "the system to drain", withinMs, standing: async () => JSON.stringify(await readLeft(db)) },
  );
}

async function readLeft(db: Db): Promise<Left> {
  const { rows } = await sql<Left>`
    select
      (select count(*)::int from metering.meter_outbox where meter_event_id is null) as unsealed,
      (select count(*)::int from metering.meter_events where state = 'pending') as pending
  `.execute(db);
  const [left] = rows;
  if (left === undefined) throw new Error("the query answered nothing");
  return left;
}

/**
 * The events that were given up because they were in flight at too many deaths in a row. Throws when one was given up
 * for another reason: as many attempts as that must have begun and left no record.
 */
export async function listPoisoned(db: Db): Promise<string[]> {
  const { rows } = await sql<{ id: string; state: string; reason: string | null; lost: number }>`
    select
      m.id, m.state, m.reason,
      m.attempts_started - (
        select count(*)::int from metering.delivery_attempts a
        where a.organization_id = m.organization_id and a.meter_event_id = m.id
      ) as lost
    from metering.meter_events m
    where m.state <> 'delivered'
  `.execute(db);
  const unexplained = rows.filter(
    ({ state, reason, lost }) =>
      state !== "rejected" || reason !== "crashes_worker" || lost < unfinishedAttemptsMax,
  );
  if (unexplained.length > 0) throw new Error(`no kill explains ${JSON.stringify(unexplained)}`);
  return rows.map(({ id }) => id);
}

/**
 * Frees everything that dead workers began, and loses pg-boss's jobs: the next worker's sweep makes them again. No
 * worker may be alive.
 */
export async function skipTheLeases(db: Db): Promise<void> {
  await passSeconds(db, 90);
  await sql`delete from pgboss.job`.execute(db);
}

import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { until } from "../processes/until.ts";

type Left = { unsealed: number; pending: number; stuck: string | null };

/**
 * Waits until every entry with a paying customer is sealed and every meter event delivered. Fails at once when an event
 * ends elsewhere, and after a while with the usage that is left.
 */
export async function untilBilled(db: Db): Promise<void> {
  await until(
    async () => {
      const { unsealed, pending, stuck } = await readLeft(db);
      if (stuck !== null) throw new Error(`a meter event will not be billed by itself: ${stuck}`);
      return unsealed + pending === 0;
    },
    { what: "everything to be billed", standing: async () => JSON.stringify(await readLeft(db)) },
  );
}

async function readLeft(db: Db): Promise<Left> {
  const { rows } = await sql<Left>`
    select
      (
        select count(*)::int
        from metering.meter_outbox e
        join metering.customer_spans s on s.organization_id = e.organization_id and e.occurred_at < s.ends_at
        where e.meter_event_id is null and e.occurred_at >= s.starts_at
      ) as unsealed,
      (select count(*)::int from metering.meter_events where state = 'pending') as pending,
      (
        select concat_ws(' ', state, reason, last_error)
        from metering.meter_events
        where state in ('in_doubt', 'rejected', 'expired')
        limit 1
      ) as stuck
  `.execute(db);
  const [left] = rows;
  if (left === undefined) throw new Error("the query answered nothing");
  return left;
}

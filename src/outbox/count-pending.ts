import { sql } from "kysely";
import { isDatabaseUnavailable } from "../database/database-unavailable.ts";
import type { Db } from "../database/db.ts";
import type { NodesAway } from "../database/silent-nodes.ts";
import type { MeterName } from "../usage/meters.ts";

type Bound = { meter: MeterName; pendingMax: number };

/** Counts a meter's pending events, up to `pendingMax`. */
export async function countPending(db: Db, { meter, pendingMax }: Bound): Promise<number> {
  const counted = await sql<{ count: number }>`
    select count(*)::int as count
    from (select 1 from metering.meter_events where state = 'pending' and meter = ${meter} limit ${pendingMax}) pending
  `.execute(db);
  return counted.rows[0]?.count ?? 0;
}

/**
 * The same on all nodes of a cluster, past a transaction; none while one is away, whose events cannot be sent either. One
 * that is silent takes a statement's whole time, in which no transaction may be open.
 */
export async function countPendingOfNodes(
  db: Db,
  { nodesAway, ...bound }: Bound & { nodesAway?: NodesAway },
): Promise<number> {
  if (nodesAway !== undefined && nodesAway.size > 0) return 0;
  try {
    return await countPending(db, bound);
  } catch (error) {
    if (isDatabaseUnavailable(error)) return 0;
    throw error;
  }
}

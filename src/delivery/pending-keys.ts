import { type RawBuilder, sql } from "kysely";
import { arrayLiteral } from "../database/array-literal.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";

/**
 * The beginning of a statement about these events as far as they are pending: their keys `k`, and as values
 * - the state: by the index of all that is pending, each key would read it from end to end;
 * - the time: a cluster refuses it in coalesce().
 */
export function withPendingKeys(keys: readonly MeterEventKey[]): RawBuilder<unknown> {
  return sql`
    with k as materialized (
      select organization_id, id, 'pending' as state, now() as at
      from unnest(
        ${arrayLiteral(keys.map(({ organizationId }) => organizationId))}::uuid[],
        ${arrayLiteral(keys.map(({ meterEventId }) => meterEventId))}::uuid[]
      ) as u (organization_id, id)
    )
  `;
}

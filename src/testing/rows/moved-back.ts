import { type RawBuilder, sql } from "kysely";

/**
 * The moment in a column, and this much before it, in a form that a cluster takes in an update: without the session's
 * time zone, on which its nodes might not agree.
 */
export function movedBack(column: string, interval: RawBuilder<unknown>): RawBuilder<Date> {
  return sql<Date>`((${sql.ref(column)} at time zone 'UTC' - ${interval}) at time zone 'UTC')`;
}

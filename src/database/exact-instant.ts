import { sql } from "kysely";

/** A time of the database in RFC 3339, in UTC and to the microsecond, which a Date would cut. */
export const exactInstant = (column: string) =>
  sql<string>`to_char(${sql.ref(column)} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

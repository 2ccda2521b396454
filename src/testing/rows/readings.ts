import type { Pool } from "pg";

/** How many readings are stored, and in how many entries they were counted. */
export async function countReadingsAndEntries(pool: Pool) {
  const { rows } = await pool.query<{ readings: number; entries: number }>(`
    select
      (select count(*)::int from metering.readings) as readings,
      (select count(*)::int from metering.meter_outbox) as entries
  `);
  return rows[0];
}

import { sql } from "kysely";
import type { Db } from "../../database/db.ts";

/** Four an hour on average, some at the same millisecond, some on the hour. */
export async function addRandomEntries(
  db: Db,
  organizationId: string,
  { from, until }: { from: Date; until: Date },
): Promise<void> {
  await sql`
    insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
    select ${organizationId}, e.at, metering.uuid_v7(e.at), m.name, (random() * 50)::int
    from generate_series(${from}::timestamptz, ${until}::timestamptz - interval '1 hour', interval '1 hour') hour
    cross join metering.meters m
    cross join generate_series(1, 2) n
    cross join lateral (
      select hour + (array[random() * 3599, 0, 1800, 2700, 899.999])[1 + (random() * 4)::int + 0 * n] * interval '1 second' as exact
    ) t
    cross join lateral (select date_trunc('milliseconds', t.exact) as at) e
    where random() < 0.8
  `.execute(db);
}

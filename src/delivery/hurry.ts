import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import { aheadOfAll, hurryReminders, type Reminder, remindToDeliver } from "../queue/deliver-job.ts";
import { meterNames } from "../usage/meters.ts";

/** An organization has as many pending events as hours and seals have passed; more than these are not hurried. */
const hurriedMax = 1_000;

/** Moves an organization's pending meter events ahead of those of all others. */
export async function hurryOrganization(
  { db, boss }: { db: Db; boss: PgBoss },
  organizationId: string,
): Promise<void> {
  for (const meter of meterNames) {
    const pending = await sql<Omit<Reminder, "ahead">>`
      select
        organization_id as "organizationId", id as "meterEventId", meter, stripe_customer_id as "stripeCustomerId"
      from metering.meter_events
      where organization_id = ${organizationId} and meter = ${meter} and state = 'pending'
      order by id
      limit ${hurriedMax}
    `.execute(db);
    const ids = pending.rows.map(({ meterEventId }) => meterEventId);
    await hurryReminders(boss, meter, ids);
    // Events that wait in a shipment have no reminder of their own yet.
    await remindToDeliver(
      boss,
      pending.rows.map((event) => ({ ...event, ahead: aheadOfAll })),
    );
  }
}

import { sql } from "kysely";
import type { Db } from "../../database/db.ts";

export type MeterEventRow = {
  id: string;
  organizationId: string;
  meter: string;
  hour: Date;
  quantity: number;
  at: Date;
  entries: number;
  customer: string;
  /** Events of one transaction have the same. */
  transaction: string;
};

/** Every meter event as it was sealed, by meter, hour and time. */
export async function readMeterEvents(db: Db): Promise<MeterEventRow[]> {
  const { rows } = await sql<MeterEventRow>`
    select
      id, organization_id as "organizationId", meter, hour, quantity::float8 as quantity, event_at as at, entries,
      stripe_customer_id as customer, xmin::text as transaction
    from metering.meter_events
    order by meter, hour, event_at, id
  `.execute(db);
  return rows;
}

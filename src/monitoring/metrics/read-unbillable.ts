import { countUnbillable } from "../../billing/billable.ts";
import type { Db } from "../../database/db.ts";
import type { Sample } from "./database-gauges.ts";
import type { Asked } from "./asked.ts";

/** How many organizations are linked to a customer, not archived, and of another status than these. */
export async function readUnbillableGauges(db: Db, { billableStatuses }: Asked): Promise<Sample[]> {
  const value = await countUnbillable(db, billableStatuses);
  return [{ name: "meter_outbox_unbillable_organizations", value }];
}

import { countUnbillable } from "../../billing/billable.ts";
import type { Read } from "./reads.ts";

/** How many organizations are linked to a customer, not archived, and of another status than these. */
export function unbillableRead(billableStatuses: readonly string[]): Read {
  return {
    name: "unbillable_organizations",
    read: async (db) => {
      const value = await countUnbillable(db, billableStatuses);
      return [{ name: "meter_outbox_unbillable_organizations", value }];
    },
  };
}

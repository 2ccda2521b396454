import type { Db } from "../../database/db.ts";
import { readUninvoiced, uninvoicedReasons } from "../../outbox/uninvoiced.ts";
import { meterNames } from "../../usage/meters.ts";
import type { Sample } from "./database-gauges.ts";

/** How much usage no invoice will have. Where there is none, the gauges are 0 and not missing. */
export async function readUninvoicedGauges(db: Db): Promise<Sample[]> {
  const uninvoiced = await readUninvoiced(db);
  return meterNames.flatMap((meter) =>
    uninvoicedReasons.map((reason): Sample => {
      const its = uninvoiced.filter((usage) => usage.meter === meter && usage.reason === reason);
      const value = its.reduce((sum, { quantity }) => sum + quantity, 0);
      return { name: "meter_outbox_uninvoiced_quantity", labels: { meter, reason }, value };
    }),
  );
}

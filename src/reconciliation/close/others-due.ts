import type { Db } from "../../database/db.ts";
import type { UsagePeriod } from "../../outbox/paid-spans.ts";
import { type PeriodEntries, readPeriodEntries } from "../../outbox/period-entries.ts";
import { type MeterName, meters } from "../../usage/meters.ts";
import { addQuantities } from "../../usage/quantity.ts";
import { dueQuantity, usedOf } from "./not-billed.ts";
import { listOthersPaidFor } from "./others-paid-for.ts";
import { type PeriodEvents, readPeriodEvents } from "./period-events.ts";

type Used = { entries: PeriodEntries[][]; events: PeriodEvents[][] };

/** What the invoices of a period, by its place from 0, should bill of a meter for other organizations. */
export type OthersDue = (place: number, meter: MeterName) => string;

/**
 * Usage of other organizations that the same customer paid for in an organization's periods: it is on the same invoices. Of a gauge
 * there is none, as an invoice has one value for all.
 */
export async function readOthersDue(trx: Db, periods: readonly UsagePeriod[]): Promise<OthersDue> {
  const byCustomer = new Map(periods.map((period) => [period.customer, period]));
  const others = new Set<string>();
  for (const period of byCustomer.values()) {
    for (const id of await listOthersPaidFor(trx, period)) others.add(id);
  }
  const used: Used[] = [];
  for (const organizationId of others) {
    const asked = { organizationId, times: periods };
    used.push({ entries: await readPeriodEntries(trx, asked), events: await readPeriodEvents(trx, asked) });
  }
  return (place, meter) => {
    if (meters[meter].aggregation === "last") return "0";
    return addQuantities(
      used.map(({ entries, events }) =>
        dueQuantity(meter, usedOf(meter, { entries: entries[place] ?? [], events: events[place] ?? [] })),
      ),
    );
  };
}

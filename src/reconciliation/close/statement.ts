import type { Db } from "../../database/db.ts";
import type { MeterEventState } from "../../delivery/meter-event-states.ts";
import { readPeriodEntries } from "../../outbox/period-entries.ts";
import { countPeriodReadings } from "../../outbox/period-readings.ts";
import { type MeterName, meterNames } from "../../usage/meters.ts";
import { addQuantities, subtractQuantity } from "../../usage/quantity.ts";
import { type BillingPeriod, isBilled, listInvoices, type PeriodInvoice } from "./billing-periods.ts";
import { lastFinalization } from "./late-usage.ts";
import { dueQuantity, invoicedQuantities, type Used } from "./not-billed.ts";
import { type PeriodEvents, readPeriodEvents } from "./period-events.ts";
import { type PeriodLook, readPeriodLook } from "./period-look.ts";
import { listStatementRows, type StatementRow } from "./statement-rows.ts";

/** What is known of one meter in a period. Quantities are decimal strings; of a gauge the last value. */
export type MeterStatement = {
  meter: MeterName;
  /** Readings stored; null: none are counted by this meter, or retention has dropped some. */
  readings: number | null;
  entries: number;
  /** What was used: the fold of the entries. */
  used: string;
  states: Partial<Record<MeterEventState, { count: number; quantity: string }>>;
  /** What is at Stripe, as far as we know. */
  sent: string;
  /** Stripe's own sum, usage of the neighbouring periods in the first and last minute taken off; null: never read. */
  stripe: string | null;
  look: PeriodLook | null;
  /** What final invoices bill; null: there is none, or it has no price for the meter. */
  invoiced: string | null;
  /** What should be billed less what is: on the final invoice, or without one at Stripe. Below zero: too much is. */
  difference: string;
  rows: StatementRow[];
};

export type Statement = {
  period: BillingPeriod;
  meters: MeterStatement[];
  /** The one that bills the period, the newest first; others are of other subscriptions, or void. */
  invoices: PeriodInvoice[];
};

/** The meter whose entries count readings. */
const readingsMeter: MeterName = "temperature_readings";

/** Draws up the statement of a period from stored rows alone. Stripe is asked nothing. */
export async function readStatement(db: Db, period: BillingPeriod): Promise<Statement> {
  const invoices = await listInvoices(db, period);
  const entries = await readPeriodEntries(db, period);
  const events = await readPeriodEvents(db, period);
  const readings = await countPeriodReadings(db, period);
  const invoiced = invoicedQuantities(invoices);
  const meters: MeterStatement[] = [];
  for (const meter of meterNames) {
    const used = {
      entries: entries.find((one) => one.meter === meter),
      events: events.find((one) => one.meter === meter),
    };
    meters.push(
      await readMeter(db, period, {
        meter,
        readings: meter === readingsMeter ? readings : null,
        used,
        invoiced: invoiced[meter] ?? null,
        finalizedAt: lastFinalization(invoices) ?? null,
      }),
    );
  }
  return { period, meters, invoices: invoices.toSorted((a, b) => Number(isBilled(b)) - Number(isBilled(a))) };
}

type MeterInput = {
  meter: MeterName;
  readings: number | null;
  used: Used;
  invoiced: string | null;
  finalizedAt: Date | null;
};

async function readMeter(
  db: Db,
  period: BillingPeriod,
  { meter, readings, used, invoiced, finalizedAt }: MeterInput,
): Promise<MeterStatement> {
  const sent = used.events?.sent ?? "0";
  const look = await readPeriodLook(db, period, meter);
  const due = dueQuantity(meter, used);
  const difference =
    invoiced === null
      ? addQuantities([unsent(due, sent, used.events), look?.lacking ?? "0"])
      : subtractQuantity(due, invoiced);
  return {
    meter,
    readings,
    entries: used.entries?.entries ?? 0,
    used: used.entries?.quantity ?? "0",
    states: used.events?.states ?? {},
    sent,
    stripe: look?.stripe ?? null,
    look,
    invoiced,
    difference,
    rows: await listStatementRows(db, period, { meter, difference, finalizedAt }),
  };
}

function unsent(due: string, sent: string, events: PeriodEvents | undefined): string {
  return subtractQuantity(addQuantities([due, events?.carriedOut ?? "0"]), sent);
}

import type { Db } from "../../database/db.ts";
import { inOneSnapshot } from "../../database/one-snapshot.ts";
import type { MeterEventState } from "../../delivery/meter-event-states.ts";
import { readPeriodEntries } from "../../outbox/period-entries.ts";
import { countPeriodReadings } from "../../outbox/period-readings.ts";
import { type MeterName, meterNames } from "../../usage/meters.ts";
import { addQuantities, compareQuantities, subtractQuantity } from "../../usage/quantity.ts";
import {
  type BillingPeriod,
  isBilled,
  listInvoicesOf,
  type PeriodInvoice,
  type Quantities,
} from "./billing-periods.ts";
import { completeRows, type RestKind } from "./complete-rows.ts";
import { lastFinalization } from "./late-usage.ts";
import { dueQuantity, invoicedQuantities, isOnDraft, type Used, usedOf } from "./not-billed.ts";
import { readOthersDue } from "./others-due.ts";
import { type PeriodEvents, readPeriodEvents } from "./period-events.ts";
import { type PeriodLook, readPeriodLooks } from "./period-look.ts";
import { listStatementRows, type StatementRow, unplaced } from "./statement-rows.ts";
import { unbilledRows } from "./unbilled-rows.ts";

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
  /**
   * What should be billed less what is: on the final invoice, or while it is awaited at Stripe. Below zero: too much is.
   */
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
  const [statement] = await readStatements(db, [period]);
  if (statement === undefined) throw new Error("a period has no statement");
  return statement;
}

/**
 * The same of several periods of one organization, by as many questions as for one: on up to three connections at once, all
 * as of one moment, as a seal or an answer from Stripe in between would make a difference that nothing explains.
 */
export async function readStatements(db: Db, periods: readonly BillingPeriod[]): Promise<Statement[]> {
  const [first] = periods;
  if (first === undefined) return [];
  const { organizationId } = first;
  const asked = { organizationId, times: periods };
  const [{ invoices, rows }, { events, readings, others }, { entries, looks }] = await inOneSnapshot(
    db,
    (read) =>
      Promise.all([
        read(async (trx) => {
          const found = await listInvoicesOf(trx, asked);
          const times = periods.map((period, place) => ({
            ...period,
            // A threshold's invoice bills a part of a period, and what comes after it is not late.
            finalizedAt: period.closedAt === null ? null : (lastFinalization(found[place] ?? []) ?? null),
          }));
          return { invoices: found, rows: await listStatementRows(trx, organizationId, times) };
        }),
        read(async (trx) => {
          return {
            events: await readPeriodEvents(trx, asked),
            readings: await countPeriodReadings(trx, asked),
            others: await readOthersDue(trx, periods),
          };
        }),
        // The last: what comes after the looks is planned without sorts.
        read(async (trx) => {
          return { entries: await readPeriodEntries(trx, asked), looks: await readPeriodLooks(trx, asked) };
        }),
      ]),
  );
  return periods.map((period, place) => {
    const its = invoices[place] ?? [];
    const invoiced = invoicedQuantities(its);
    const metersOf = meterNames.map((meter) => {
      const isClosed = period.closedAt !== null && !isOnDraft(its, meter);
      const used = usedOf(meter, { entries: entries[place] ?? [], events: events[place] ?? [] });
      return meterStatement({
        meter,
        readings: meter === readingsMeter ? (readings[place] ?? null) : null,
        used,
        invoiced: invoiced[meter] ?? null,
        isClosed,
        look: looks(place, meter),
        rows: rowsOfBilled(rows(place, meter), {
          isFinal: isClosed && invoiced[meter] !== undefined,
          isTrial: period.isTrial,
          ofOthers: others(place, meter),
        }),
        unbilled: unbilledRows(period, its, { meter, due: dueQuantity(meter, used) }),
        isUnbilled: isUnbilledMeter(period, { meter, invoiced }),
        restIs: restOf(period, meter),
      });
    });
    return {
      period,
      meters: metersOf,
      invoices: its.toSorted((a, b) => Number(isBilled(b)) - Number(isBilled(a))),
    };
  });
}

/**
 * What no final invoice has a price for comes too late for none: it is compared with Stripe's sum alone. Nor does what is free, or
 * what a draft takes yet. A final invoice bills the customer's other organizations, too.
 */
function rowsOfBilled(
  rows: readonly StatementRow[],
  { isFinal, isTrial, ofOthers }: { isFinal: boolean; isTrial: boolean; ofOthers: string },
): StatementRow[] {
  const told = rows.filter(({ kind }) => kind !== "late" || (isFinal && !isTrial));
  if (!isFinal || compareQuantities(ofOthers, "0") === 0) return told;
  const difference = subtractQuantity("0", ofOthers);
  return [{ ...unplaced, kind: "other_organizations", quantity: ofOthers, difference }, ...told];
}

/** Whether a look found that no final invoice bills the meter, and one should. */
function isUnbilledMeter(
  { closedAt, notBilled, isTrial }: BillingPeriod,
  { meter, invoiced }: { meter: MeterName; invoiced: Quantities },
): boolean {
  const isTold = !isTrial && notBilled?.[meter] !== undefined;
  return isTold && (closedAt === null || invoiced[meter] === undefined);
}

/** `no_invoice`: a look found that no invoice is to be awaited any more. */
function restOf({ closedAt, notBilled, isTrial }: BillingPeriod, meter: MeterName): RestKind {
  if (isTrial) return "trial";
  return closedAt === null && notBilled?.[meter] !== undefined ? "no_invoice" : "unexplained";
}

type MeterInput = Pick<MeterStatement, "meter" | "readings" | "invoiced" | "look" | "rows"> & {
  used: Used;
  isClosed: boolean;
  isUnbilled: boolean;
  restIs: RestKind;
  unbilled: readonly StatementRow[];
};

function meterStatement({
  meter,
  readings,
  used,
  invoiced,
  isClosed,
  isUnbilled,
  look,
  rows,
  restIs,
  unbilled,
}: MeterInput): MeterStatement {
  const sent = used.events?.sent ?? "0";
  const due = dueQuantity(meter, used);
  const difference =
    (invoiced === null || !isClosed) && !isUnbilled
      ? addQuantities([unsent(due, sent, used.events), look?.lacking ?? "0"])
      : subtractQuantity(due, invoiced ?? "0");
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
    rows: [...completeRows(rows, { meter, difference, restIs }), ...unbilled],
  };
}

function unsent(due: string, sent: string, events: PeriodEvents | undefined): string {
  return subtractQuantity(addQuantities([due, events?.carriedOut ?? "0"]), sent);
}

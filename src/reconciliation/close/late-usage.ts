import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import { endsPeriod } from "../../billing/invoice-usage.ts";
import type { Db, Trx } from "../../database/db.ts";
import { inOneSnapshot } from "../../database/one-snapshot.ts";
import { carryDelivered, carryUnsent, listUnsent } from "../../delivery/carry-forward.ts";
import type { Log } from "../../log.ts";
import { readPeriodEntries } from "../../outbox/period-entries.ts";
import { type Reminder, remindToDeliver } from "../../queue/deliver-job.ts";
import { type MeterName, meterNames, metersFoldedBy } from "../../usage/meters.ts";
import { addQuantities, subtractQuantity } from "../../usage/quantity.ts";
import { isRemembered, type Remembered, remember } from "../remembered.ts";
import { type BilledDeps, readBilledNow } from "./billed-now.ts";
import {
  type BillingPeriod,
  isBilled,
  listInvoices,
  type PeriodInvoice,
  type Quantities,
} from "./billing-periods.ts";
import type { Books } from "./gate-rules.ts";
import { type DeliveredEvent, findLateDelivery } from "./late-rules.ts";
import { dueQuantity, invoicedQuantities, notBilled, usedOf } from "./not-billed.ts";
import { readOthersDue } from "./others-due.ts";
import { readPeriodEvents } from "./period-events.ts";

export type LateUsageMode = "report" | "carry_forward";

type LateDeps = BilledDeps & {
  db: Db;
  boss: PgBoss;
  log: Log;
  lateUsage: LateUsageMode;
  /** Among others the customers for whom no subscription bills late usage now. */
  askedInVain: Remembered;
};

/** A price may come back at any time. */
const askedAgainMs = 3_600_000;

/**
 * The usage that the final invoices of a period lack, by meter; null: none, or its invoice is awaited. Where the customer
 * paid for other organizations in that time, too, their usage is on its invoices. `hasNoInvoice`: as was looked for at Stripe.
 * `pricesGone`: meters that were billed before, and that no invoice has a line of any more.
 */
export async function readNotBilled(
  db: Db,
  period: BillingPeriod,
  { hasNoInvoice, pricesGone = [] }: { hasNoInvoice: boolean; pricesGone?: readonly MeterName[] },
): Promise<Quantities | null> {
  if (period.closedAt === null && !hasNoInvoice) return null;
  // As of one moment: entries that are sealed between two reads would count twice.
  const { invoices, entries, events, others } = await inOneSnapshot(db, (read) =>
    read(async (trx) => {
      const asked = { organizationId: period.organizationId, times: [period] };
      return {
        others: await readOthersDue(trx, [period]),
        invoices: await listInvoices(trx, period),
        entries: (await readPeriodEntries(trx, asked))[0] ?? [],
        events: (await readPeriodEvents(trx, asked))[0] ?? [],
      };
    }),
  );
  // One that was told meanwhile is looked at next.
  if (hasNoInvoice && invoices.some(endsPeriod)) return null;
  return notBilled(
    invoices,
    (meter) => {
      const own = dueQuantity(meter, usedOf(meter, { entries, events }));
      // An invoice that is not there has usage of no other organization, either.
      return hasNoInvoice ? own : addQuantities([own, others(0, meter)]);
    },
    { isOwedWhole: (meter) => hasNoInvoice || pricesGone.includes(meter) },
  );
}

/**
 * Sends what came too late for a period's invoice in the running period, where the operator wants that and there is one:
 * usage that never left in place of its old events, and, once the books are equal, usage that Stripe counted after the
 * invoice was final. Only of meters that the customer pays for now: in a trial, or without a price, no invoice would have
 * it. One transaction under the period's row, which reads again what is missing: so it happens once. False: nothing was to
 * be carried.
 */
export async function carryForward(deps: LateDeps, period: BillingPeriod, books: Books): Promise<boolean> {
  const { db, boss, log, lateUsage, askedInVain } = deps;
  if (lateUsage === "report" || period.closedAt === null) return false;
  const nowMs = deps.stripeNowMs();
  if (isRemembered(askedInVain, period.customer, { nowMs, forMs: askedAgainMs })) return false;
  const wanted = await db.transaction().execute((trx) => listCarriable(trx, period, books));
  if (wanted.length === 0) return false;
  const billed = await readBilledNow(deps, period.customer);
  if (!wanted.some((meter) => billed.includes(meter))) {
    remember(askedInVain, period.customer, nowMs);
    return false;
  }
  const carried = await db.transaction().execute(async (trx) => {
    if (!(await lockForCarrying(trx, period))) return [];
    // Read before anything is carried: what the owner's functions write, a cluster lets no other role read in one transaction.
    const late = books === "equal" ? await findLateDeliveries(trx, period) : [];
    const reminders = await carryUnsent(trx, period, billed);
    for (const one of late.filter(({ meter }) => billed.includes(meter))) {
      reminders.push(...(await carryDelivered(trx, period, one)));
    }
    await remindToDeliver(boss, reminders, trx);
    return reminders;
  });
  if (carried.length > 0) tell(log, period, carried);
  return carried.length > 0;
}

/** The meters of which a period has something to carry: Stripe is asked about these, and not at each look. */
async function listCarriable(trx: Trx, period: BillingPeriod, books: Books): Promise<MeterName[]> {
  if (!(await lockForCarrying(trx, period))) return [];
  const late = books === "equal" ? await findLateDeliveries(trx, period) : [];
  return [...(await listUnsent(trx, period)), ...late.map(({ meter }) => meter)];
}

function tell(log: Log, period: BillingPeriod, carried: readonly Reminder[]): void {
  const fields = { organization_id: period.organizationId, period_start: period.start.toISOString() };
  log.info({ event: "late_usage_carried_forward", ...fields, events: carried.length });
}

/**
 * Locks a closed period; false where no period runs that the same customer pays for, an invoice of this one is a draft yet,
 * another subscription's period overlaps it, or it began before a cut-over: then usage may be on either's invoice, or was billed
 * by another path, and it is left to people.
 */
async function lockForCarrying(
  trx: Trx,
  { organizationId, customer, start }: BillingPeriod,
): Promise<boolean> {
  const locked = await sql`
    select
    from metering.billing_periods p
    where p.organization_id = ${organizationId} and p.period_start = ${start} and p.closed_at is not null
      and not exists (
        select from metering.billing_invoices i
        where i.organization_id = p.organization_id and i.period_start = p.period_start and i.status = 'draft'
      )
      and not exists (
        select from metering.billing_periods o
        where o.organization_id = p.organization_id and o.stripe_customer_id = p.stripe_customer_id
          and o.period_start <> p.period_start and o.period_start < p.period_end and o.period_end > p.period_start
      )
      and not exists (
        select from metering.cut_overs c
        where c.organization_id = p.organization_id and c.cut_at > p.period_start
      )
      and exists (
        select
        from metering.subscriptions s
        where s.organization_id = p.organization_id and s.stripe_customer_id = ${customer}
          and s.status in ('active', 'past_due')
          and s.current_period_start > p.period_start
          and s.current_period_start <= now() and s.current_period_end > now()
      )
    for update of p
  `.execute(trx);
  return locked.rows.length > 0;
}

type LateDelivery = { meter: MeterName; quantity: string; entries: number };

/** What Stripe counted after a period's invoice was final, by meter. What `carryUnsent` moves is none of it. */
async function findLateDeliveries(trx: Trx, period: BillingPeriod): Promise<LateDelivery[]> {
  const invoices = await listInvoices(trx, period);
  const finalizedAt = lastFinalization(invoices);
  if (finalizedAt === undefined) return [];
  const invoiced = invoicedQuantities(invoices);
  const [events = []] = await readPeriodEvents(trx, {
    organizationId: period.organizationId,
    times: [period],
  });
  const found: LateDelivery[] = [];
  for (const meter of metersFoldedBy("sum")) {
    const quantity = invoiced[meter];
    const its = events.find((one) => one.meter === meter);
    if (quantity === undefined || its === undefined) continue;
    const missing = subtractQuantity(subtractQuantity(its.sent, its.carriedOut), quantity);
    const lateSince = (await readLastCarried(trx, period, meter)) ?? finalizedAt;
    const late = findLateDelivery(missing, await readDelivered(trx, period, meter), lateSince);
    if (late !== undefined) found.push({ meter, ...late });
  }
  return found;
}

/** When the last of a period's invoices was finalized. */
export function lastFinalization(invoices: readonly PeriodInvoice[]): Date | undefined {
  return invoices
    .filter(isBilled)
    .flatMap(({ finalizedAt }) => finalizedAt ?? [])
    .toSorted((a, b) => b.getTime() - a.getTime())[0];
}

/** When usage of a period was last sent once more: what was delivered until then is in it. */
async function readLastCarried(
  trx: Trx,
  { organizationId, start }: BillingPeriod,
  meter: MeterName,
): Promise<Date | null> {
  const last = await sql<{ at: Date | null }>`
    select max(sealed_at) as at
    from metering.meter_events
    where organization_id = ${organizationId} and carried_from = ${start} and meter = ${meter} and replaces_id is null
  `.execute(trx);
  return last.rows[0]?.at ?? null;
}

const deliveredMax = 10_000;

/** Meter events of a period that Stripe has counted, the youngest delivery first. */
async function readDelivered(
  trx: Trx,
  { organizationId, customer, start, end }: BillingPeriod,
  meter: MeterName,
): Promise<DeliveredEvent[]> {
  const delivered = await sql<DeliveredEvent>`
    select quantity::text as quantity, delivered_at as "deliveredAt", entries
    from metering.meter_events
    where organization_id = ${organizationId} and stripe_customer_id = ${customer} and meter = ${meter}
      and hour > ${start}::timestamptz - interval '1 hour' and hour < ${end}
      and event_at >= ${start} and event_at < ${end}
      and state = 'delivered'
    order by delivered_at desc
    limit ${deliveredMax}
  `.execute(trx);
  return delivered.rows;
}

/** Whether two amounts by meter are the same. */
export function sameQuantities(a: Quantities | null, b: Quantities | null): boolean {
  return meterNames.every((meter) => (a?.[meter] ?? null) === (b?.[meter] ?? null));
}

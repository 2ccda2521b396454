import { sql } from "kysely";
import { makePeriod, type PeriodKey } from "../billing/make-period.ts";
import { type InShard, namesOrganizations } from "../database/by-shard.ts";
import type { Db, Trx } from "../database/db.ts";
import { onEachShardGroup } from "../database/shard-groups.ts";
import type { MeterName } from "../usage/meters.ts";
import { floorTo, hourMs, type Span } from "./windows.ts";

/** A billing period that has not ended yet. */
export type RunningPeriod = Span & { organizationId: string; customer: string };

/** What was found where nodes of a cluster answer; `faults`: why organizations of others are left out. */
type Found<T> = { found: T; faults: unknown[] };

/**
 * Customers of whom no subscription has told a period get the UTC month, or what is left of it since the end of their last
 * period. Not before Stripe was asked: the period that it tells may have begun before the month. Returns why organizations are
 * left out.
 */
export async function openCalendarMonths(db: Db): Promise<unknown[]> {
  const { done, errors } = await onEachShardGroup(db, {}, (shard) =>
    listWithoutPeriod(db, namesOrganizations(shard)),
  );
  const faults: unknown[] = [...errors];
  for (const payer of done.flat()) {
    // Where so many fail, it is not by their own rows, and each of the others may wait as long.
    if (faults.length >= faultsMax) break;
    await db
      .transaction()
      .execute((trx) => openCalendarMonth(trx, payer))
      .catch((error: unknown) => faults.push(error));
  }
  return faults;
}

const faultsMax = 10;

async function listWithoutPeriod(db: Db, inShard: InShard): Promise<Payer[]> {
  const without = await sql<Payer>`
    select s.organization_id as "organizationId", s.stripe_customer_id as customer
    from metering.subscriptions s
    where s.stripe_customer_id is not null and ${hasNoPeriod} ${inShard("s")}
      and not exists (
        select from metering.billing_periods p
        where p.organization_id = s.organization_id and p.stripe_customer_id = s.stripe_customer_id
          and p.period_start <= now() and p.period_end > now() ${inShard("p")}
      )
  `.execute(db);
  return without.rows;
}

type Payer = { organizationId: string; customer: string };

/** Of a subscription `s`. */
const hasNoPeriod = sql`s.current_period_end is null and s.read_wanted_at is null`;

/** Under the lock of the subscription's row, so that a period that is told meanwhile is seen, or sees this one. */
async function openCalendarMonth(trx: Trx, { organizationId, customer }: Payer): Promise<void> {
  const locked = await sql`
    select from metering.subscriptions s
    where s.organization_id = ${organizationId} and s.stripe_customer_id = ${customer} and ${hasNoPeriod}
    for update
  `.execute(trx);
  if (locked.rows.length === 0) return;
  const found = await sql<{ start: Date; end: Date }>`
    select
      greatest(date_trunc('month', now(), 'UTC'), max(period_end) filter (where stripe_customer_id = ${customer})) as start,
      (date_trunc('month', now() at time zone 'UTC') + interval '1 month') at time zone 'UTC' as "end"
    from metering.billing_periods
    where organization_id = ${organizationId} and period_end <= now()
    having not exists (
      select from metering.billing_periods
      where organization_id = ${organizationId} and stripe_customer_id = ${customer}
        and period_start <= now() and period_end > now()
    )
  `.execute(trx);
  const [month] = found.rows;
  // Another worker opened it since the list was read.
  if (month === undefined) return;
  // Where an invoice made one at the same moment, the next minute sees what is left to do.
  await makePeriod(trx, { organizationId, customer, subscriptionId: null, ...month });
}

/** Running periods listed in one run; the next minute lists the rest. */
const listedMax = 1_000;

/** The running periods that are due, the ones that are due longest first. */
export async function listDueRunning(db: Db): Promise<Found<PeriodKey[]>> {
  const { done, errors } = await onEachShardGroup(db, {}, async (shard) => {
    const inShard = namesOrganizations(shard);
    await sql`
      update metering.billing_periods p set routine_at = null
      where routine_at <= now() and period_end <= now() ${inShard("p")}
    `.execute(db);
    const due = await sql<PeriodKey & { at: Date }>`
      select organization_id as "organizationId", period_start as start, routine_at as at
      from metering.billing_periods p
      where routine_at <= now() ${inShard("p")}
      order by routine_at, organization_id
      limit ${listedMax}
    `.execute(db);
    return due.rows;
  });
  const due = done.flat().toSorted((one, other) => one.at.getTime() - other.at.getTime());
  return { found: due.slice(0, listedMax), faults: errors };
}

/**
 * Takes a running period, and puts it off by the lease, so that no other worker takes it. Undefined: another worker took it
 * meanwhile, and has put it off.
 */
export async function takeRunningPeriod(
  db: Db,
  { organizationId, start }: PeriodKey,
  { leaseSeconds }: { leaseSeconds: number },
): Promise<RunningPeriod | undefined> {
  const taken = await sql<RunningPeriod>`
    update metering.billing_periods
    set routine_at = now() + make_interval(secs => ${leaseSeconds})
    where organization_id = ${organizationId} and period_start = ${start} and routine_at <= now()
    returning
      organization_id as "organizationId", stripe_customer_id as customer, period_start as start, period_end as "end"
  `.execute(db);
  return taken.rows[0];
}

/** Notes when a running period is due again, in so many seconds. */
export async function putOff(db: Db, period: RunningPeriod, seconds: number): Promise<void> {
  await sql`
    update metering.billing_periods
    set routine_at = now() + make_interval(secs => ${seconds})
    where organization_id = ${period.organizationId} and period_start = ${period.start}
  `.execute(db);
}

/** Running periods that are due and wait, where nodes of a cluster answer. */
export async function countDue(db: Db): Promise<number> {
  const { done } = await onEachShardGroup(db, {}, async (shard) => {
    const due = await sql<{ count: number }>`
      select count(*)::integer as count from metering.billing_periods p
      where routine_at <= now() and period_end > now() ${namesOrganizations(shard)("p")}
    `.execute(db);
    return due.rows[0]?.count ?? 0;
  });
  return done.reduce((sum, count) => sum + count, 0);
}

export type SettledUsage = {
  /** All usage of the period before it has settled: the latest hour that has, and no later than the database's clock. */
  until: Date;
  /** The customers of the usage; an organization may have had several. */
  customers: string[];
};

/**
 * Until when a period's usage of a meter can be compared: events that were attempted or delivered a moment ago, or whose
 * attempts have not told their outcome, may not be in Stripe's sum yet.
 */
export async function findSettled(
  db: Db,
  { organizationId, start, end }: RunningPeriod,
  { meter, settleSeconds }: { meter: MeterName; settleSeconds: number },
): Promise<SettledUsage> {
  const found = await sql<{ unsettledAt: Date | null; settledUntil: Date; customers: string[] }>`
    select
      min(event_at) filter (
        where (state = 'pending' and attempts_started > 0)
          or greatest(last_attempt_at, delivered_at, resolved_at) > now() - make_interval(secs => ${settleSeconds})
      ) as "unsettledAt",
      least(now() - make_interval(secs => ${settleSeconds}), ${end}::timestamptz) as "settledUntil",
      coalesce(array_agg(distinct stripe_customer_id), '{}') as customers
    from metering.meter_events
    where organization_id = ${organizationId} and meter = ${meter}
      and hour >= ${floorTo(start, hourMs)}::timestamptz and hour < ${end}::timestamptz
      and event_at >= ${start}::timestamptz and event_at < ${end}::timestamptz
  `.execute(db);
  const [row] = found.rows;
  if (row === undefined) throw new Error("an aggregate has one row");
  const untilMs = Math.min(
    row.settledUntil.getTime(),
    row.unsettledAt?.getTime() ?? Number.POSITIVE_INFINITY,
  );
  return { until: floorTo(new Date(untilMs), hourMs), customers: row.customers };
}

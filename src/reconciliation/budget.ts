import { sql } from "kysely";
import { namesOrganizations } from "../database/by-shard.ts";
import type { Db } from "../database/db.ts";
import { onEachShardGroup } from "../database/shard-groups.ts";

/** Why a window is looked at, the most important first. */
export type Cause = "operator" | "restore" | "doubt" | "close" | "report" | "routine";

/** How many reads of Stripe's sums one UTC day may have, up to which each cause may go. */
export type ReadBudget = { perDay: number; evidencePerDay: number };

const windowDays = 30;
/** Stripe allows so many reads for each transaction of the last 30 days, and as many as the second number anyway. */
const readsPerTransaction = 500;
const readsFloor = 10_000;
/** The rest is for everything else that reads at Stripe. */
const share = 20;

/**
 * Without a number from the operator a twentieth of Stripe's quota, counted as if each linked customer paid once a month.
 * Periods close on a few days of the month: evidence may use what the 30 days have left, the rest a day's part. While a node
 * of a cluster is away its customers are not counted, whose sums are not read either.
 */
export async function readBudget(db: Db, readsPerDay: number | undefined): Promise<ReadBudget> {
  if (readsPerDay !== undefined) return { perDay: readsPerDay, evidencePerDay: readsPerDay };
  const customers = await countCustomers(db);
  const found = await sql<{ before: number }>`
    select coalesce(sum(reads), 0)::integer as before
    from metering.reconcile_reads
    where day < ${today} and day > ${today} - ${windowDays}::integer
  `.execute(db);
  const { before = 0 } = found.rows[0] ?? {};
  const ofWindow = Math.floor(Math.max(readsFloor, readsPerTransaction * customers) / share);
  const perDay = Math.max(1, Math.floor(ofWindow / windowDays));
  return { perDay, evidencePerDay: Math.max(perDay, ofWindow - before) };
}

async function countCustomers(db: Db): Promise<number> {
  const { done } = await onEachShardGroup(db, {}, async (shard) => {
    const counted = await sql<{ customers: number }>`
      select count(*)::integer as customers from metering.subscriptions s
      where stripe_customer_id is not null ${namesOrganizations(shard)("s")}
    `.execute(db);
    return counted.rows[0]?.customers ?? 0;
  });
  return done.reduce((sum, customers) => sum + customers, 0);
}

const today = sql`(now() at time zone 'UTC')::date`;

/** How many reads of today a cause may use up; null: an operator's are counted and never refused. */
export function limitOf(cause: Cause, { perDay, evidencePerDay }: ReadBudget): number | null {
  switch (cause) {
    case "operator":
    case "restore":
      return null;
    case "doubt":
    case "close":
      return evidencePerDay;
    case "report":
      return Math.ceil((perDay * 3) / 4);
    case "routine":
      return Math.ceil(perDay / 2);
  }
}

/** Takes one read out of today's budget, before it is made. False: it is used up as far as this cause may go. */
export async function takeRead(db: Db, cause: Cause, budget: ReadBudget): Promise<boolean> {
  const limit = limitOf(cause, budget);
  const taken = await sql`
    insert into metering.reconcile_reads as r (day, reads, allowed)
    select ${today}, 1, ${budget.evidencePerDay}::integer where ${limit}::integer is null or ${limit}::integer > 0
    on conflict (day) do update set reads = r.reads + 1, allowed = excluded.allowed
    where ${limit}::integer is null or r.reads < ${limit}::integer
    returning r.reads
  `.execute(db);
  return taken.rows.length > 0;
}

/** Gives a read back that Stripe could not answer: an outage must not use up the reads that follow it. */
export async function giveBackRead(db: Db): Promise<void> {
  await sql`
    update metering.reconcile_reads set reads = reads - 1 where day = ${today} and reads > 0
  `.execute(db);
}

/**
 * Writes down a budget that has changed since today's last read: otherwise an alert that reads are used up would stay
 * until the next one, also when an operator has raised it.
 */
export async function noteBudget(db: Db, { evidencePerDay }: ReadBudget): Promise<void> {
  await sql`
    update metering.reconcile_reads set allowed = ${evidencePerDay}::integer
    where day = ${today} and allowed <> ${evidencePerDay}::integer
  `.execute(db);
}

/** Writes down that so many windows wait for another day's budget. True the first time today. */
export async function notePutOff(db: Db, windows: number): Promise<boolean> {
  const noted = await sql<{ isFirst: boolean }>`
    with before as (select put_off from metering.reconcile_reads where day = ${today})
    insert into metering.reconcile_reads as r (day, put_off)
    values (${today}, ${windows})
    on conflict (day) do update set put_off = greatest(r.put_off, excluded.put_off)
    returning coalesce((select put_off from before), 0) = 0 as "isFirst"
  `.execute(db);
  return noted.rows[0]?.isFirst ?? false;
}

import { type Kysely, sql, type Transaction } from "kysely";
import { addMonths, monthsBetween, startOfMonth } from "./months.ts";
import type { DB } from "./schema.ts";

/** Months that are made ahead of now. The daily job has this long to be noticed when it fails. */
const monthsAhead = 2;
/** Stripe takes usage of the last 35 days, so entries can be that old; one month more is for clocks and restores. */
const outboxMonthsBack = 2;

type PartitionedTable = "readings" | "meter_outbox";

export type PartitionInput = { now: Date; readingsMaxAgeDays: number };

/**
 * Makes the monthly partitions of readings and meter_outbox that may receive rows from now on. Returns the names of
 * those it made. Safe to run twice and at once.
 *
 * A partition is made apart and then attached, which leaves readers and writers of the table alone; `partition of`
 * would lock it whole.
 */
export async function ensurePartitions(db: Kysely<DB>, input: PartitionInput): Promise<string[]> {
  const oldestReading = new Date(input.now.getTime() - input.readingsMaxAgeDays * 86_400_000);
  const wanted: { table: PartitionedTable; month: Date }[] = [
    ...monthsBetween(oldestReading, addMonths(input.now, monthsAhead)).map((month) => ({
      table: "readings" as const,
      month,
    })),
    ...monthsBetween(addMonths(input.now, -outboxMonthsBack), addMonths(input.now, monthsAhead)).map(
      (month) => ({ table: "meter_outbox" as const, month }),
    ),
  ];
  const made: string[] = [];
  const failures: unknown[] = [];
  for (const { table, month } of wanted) {
    const name = partitionName(table, month);
    try {
      const isNew = await db.transaction().execute((trx) => attachPartition(trx, { table, name, month }));
      if (isNew) made.push(name);
    } catch (error) {
      // A month whose rows lie in the default partition cannot be attached; the others still can.
      failures.push(new Error(`partition ${name} was not made`, { cause: error }));
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, "some partitions were not made");
  return made;
}

/** How many rows lie in the default partitions, where none should. Counts at most 1,000 of each. */
export async function countDefaultPartitionRows(
  db: Kysely<DB>,
): Promise<{ readings: number; meter_outbox: number }> {
  const counted = await sql<{ readings: number; meter_outbox: number }>`
    select
      (select count(*)::int from (select from metering.readings_default limit 1000) r) as readings,
      (select count(*)::int from (select from metering.meter_outbox_default limit 1000) o) as meter_outbox
  `.execute(db);
  return counted.rows[0] ?? { readings: 0, meter_outbox: 0 };
}

async function attachPartition(
  trx: Transaction<DB>,
  partition: { table: PartitionedTable; name: string; month: Date },
): Promise<boolean> {
  if (await isMade(trx, partition.name)) return false;
  await sql`set local lock_timeout = '5s'`.execute(trx);
  // Two processes that both miss the partition meet here; the second finds it made.
  await sql`select pg_advisory_xact_lock(hashtext('metering.partitions'))`.execute(trx);
  if (await isMade(trx, partition.name)) return false;
  const child = sql.table(`metering.${partition.name}`);
  const parent = sql.table(`metering.${partition.table}`);
  const from = sql.lit(startOfMonth(partition.month).toISOString());
  const until = sql.lit(addMonths(partition.month, 1).toISOString());
  await sql`create table ${child} (like ${parent} including defaults including constraints)`.execute(trx);
  await sql`alter table ${parent} attach partition ${child} for values from (${from}) to (${until})`.execute(
    trx,
  );
  return true;
}

// Asks the table, as to_regclass would answer from a cache that waiting for an advisory lock does not refresh.
async function isMade(trx: Transaction<DB>, name: string): Promise<boolean> {
  const made = await sql`
    select from pg_class where relname = ${name} and relnamespace = 'metering'::regnamespace
  `.execute(trx);
  return made.rows.length > 0;
}

function partitionName(table: PartitionedTable, month: Date): string {
  return `${table}_${startOfMonth(month).toISOString().slice(0, 7).replace("-", "_")}`;
}

import { sql } from "kysely";
import { addMonths, monthsBetween } from "./months.ts";
import type { Db } from "./db.ts";

/** Partitions are made this many months ahead. An operator has that long to notice that the daily job fails. */
const monthsAhead = 2;
/** Stripe takes usage of the last 35 days, so entries can be that old; one month more is for clocks and restores. */
const outboxMonthsBack = 2;

/** An attempt is settled within minutes of its start, which may be in the month before. */
const attemptsMonthsBack = 1;

export const partitionedTables = ["readings", "meter_outbox", "delivery_attempts"] as const;
export type PartitionedTable = (typeof partitionedTables)[number];

export type PartitionInput = { now: Date; readingsMaxAgeDays: number };

/**
 * Makes the monthly partitions that may receive rows from now on, and returns the names of the new ones. A month that was
 * dropped is not opened again: its readings are refused. Safe to run twice and at once, also as a role that owns no table:
 * a function of the database does it.
 */
export async function ensurePartitions(db: Db, input: PartitionInput): Promise<string[]> {
  const oldestReading = new Date(input.now.getTime() - input.readingsMaxAgeDays * 86_400_000);
  const last = addMonths(input.now, monthsAhead);
  const firstMonths: Record<PartitionedTable, Date> = {
    readings: oldestReading,
    meter_outbox: addMonths(input.now, -outboxMonthsBack),
    delivery_attempts: addMonths(input.now, -attemptsMonthsBack),
  };
  const wanted = partitionedTables.flatMap((table) =>
    monthsBetween(firstMonths[table], last).map((month) => ({ table, month })),
  );
  const dropped = await listDropped(db);
  const made: string[] = [];
  const failures: unknown[] = [];
  for (const { table, month } of wanted) {
    if (dropped.has(`${table} ${month.toISOString()}`)) continue;
    try {
      const name = await createPartition(db, { table, month });
      if (name !== null) made.push(name);
    } catch (error) {
      // A month cannot be attached while the default partition holds rows of it; the others still can.
      const failure = `the partition of ${table} from ${month.toISOString()} was not made`;
      failures.push(new Error(failure, { cause: error }));
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, "some partitions were not made");
  return made;
}

async function listDropped(db: Db): Promise<Set<string>> {
  const dropped = await db.selectFrom("dropped_partitions").select(["table_name", "month"]).execute();
  return new Set(dropped.map(({ table_name, month }) => `${table_name} ${month.toISOString()}`));
}

/** How many rows lie in the default partitions, where none should. Counts at most 1,000 of each. */
export async function countDefaultPartitionRows(db: Db): Promise<Record<PartitionedTable, number>> {
  const counted = await sql<Record<PartitionedTable, number>>`
    select
      (select count(*)::int from (select 1 from metering.readings_default limit 1000) r) as readings,
      (select count(*)::int from (select 1 from metering.meter_outbox_default limit 1000) o) as meter_outbox,
      (select count(*)::int from (select 1 from metering.delivery_attempts_default limit 1000) a) as delivery_attempts
  `.execute(db);
  const [row] = counted.rows;
  if (row === undefined) throw new Error("an aggregate without a row");
  return row;
}

/** Returns the name of the new partition, or null when it existed already. */
async function createPartition(
  db: Db,
  { table, month }: { table: PartitionedTable; month: Date },
): Promise<string | null> {
  const made = await sql<{ name: string | null }>`
    select metering.create_partition(${table}, ${month}) as name
  `.execute(db);
  return made.rows[0]?.name ?? null;
}

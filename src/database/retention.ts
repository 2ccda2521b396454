import { sql } from "kysely";
import pg from "pg";
import type { Log } from "../log.ts";
import { addMonths, startOfMonth } from "./months.ts";
import { type PartitionedTable, partitionedTables } from "./partitions.ts";
import { type Database, openDatabase } from "./pool.ts";
import type { Db } from "./db.ts";

const dayMs = 86_400_000;
/** A month's rows are counted once before the month is dropped; no request waits for that. */
const dropTimeoutMs = 30 * 60_000;

/** For how many days each table keeps its rows; undefined: for ever. */
export type RetentionDays = Record<PartitionedTable, number | undefined>;

/** What happened to a month that is past its days, in the words of `metering.drop_partition`. */
export type DueMonth = {
  table: PartitionedTable;
  month: Date;
  outcome: "dropped" | "kept" | "written" | "busy" | "month_busy" | "absent";
  rows: number;
  /** Why it is kept: entries without a meter event, and meter events that are not final. */
  unsealed: number;
  openEvents: number;
};

/**
 * Drops every monthly partition that ended more than its table's days ago and in which all usage is final, the oldest
 * first, each in a transaction of its own, and returns what happened to each, and what the database refused to do. Safe to
 * run at any time and from several processes, also as a role that owns no table. Other sessions wait for it 200 ms at a time
 * at most: a table that cannot be locked within that is `busy`, and its other months are left alone too.
 */
export async function dropDuePartitions(
  db: Db,
  { now, days }: { now: Date; days: RetentionDays },
): Promise<{ due: DueMonth[]; failures: Error[] }> {
  const due: DueMonth[] = [];
  const failures: Error[] = [];
  for (const table of partitionedTables) {
    const keptDays = days[table];
    if (keptDays === undefined) continue;
    const endedBefore = new Date(now.getTime() - keptDays * dayMs);
    for (const month of await listMonths(db, table)) {
      if (addMonths(month, 1) > endedBefore) break;
      try {
        const outcome = await dropPartition(db, { table, month });
        due.push(outcome);
        // A session that holds the table holds its other months too.
        if (outcome.outcome === "busy") break;
      } catch (error) {
        // Without an answer of the database the other months would fail, too.
        if (!(error instanceof pg.DatabaseError)) throw error;
        failures.push(
          new Error(`the month ${month.toISOString().slice(0, 7)} of ${table} was not dropped`, {
            cause: error,
          }),
        );
      }
    }
  }
  return { due, failures };
}

/**
 * A connection that counts a month for as long as that takes. Other connections are ended after half a minute without a
 * word from the server, because such a server may be gone.
 */
export function openUpkeepDatabase(connectionString: string, log: Log): Database {
  const applicationName = "meter-outbox worker, upkeep";
  return openDatabase(
    { connectionString, applicationName, connectionsMax: 1, statementTimeoutMs: dropTimeoutMs },
    log,
  );
}

/** From when on a table has all its rows: the end of the last month that was dropped; null when none was. */
export async function readKeptFrom(db: Db, table: PartitionedTable): Promise<Date | null> {
  const dropped = await sql<{ kept_from: Date | null }>`
    select max(month at time zone 'UTC' + interval '1 month') at time zone 'UTC' as kept_from
    from metering.dropped_partitions
    where table_name = ${table}
  `.execute(db);
  return dropped.rows[0]?.kept_from ?? null;
}

/** Whether the rows of a month were dropped, of those from the month of `first` to that of `last`. */
export async function isMonthDropped(
  db: Db,
  { table, first, last }: { table: PartitionedTable; first: Date; last: Date },
): Promise<boolean> {
  const dropped = await db
    .selectFrom("dropped_partitions")
    .select("month")
    .where("table_name", "=", table)
    .where("month", ">=", startOfMonth(first))
    .where("month", "<=", startOfMonth(last))
    .limit(1)
    .executeTakeFirst();
  return dropped !== undefined;
}

/** The months of a table's partitions, the oldest first. */
async function listMonths(db: Db, table: PartitionedTable): Promise<Date[]> {
  const months = await sql<{ month: Date }>`
    select to_timestamp(right(c.relname, 7) || '+00', 'YYYY_MMTZH') as month
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = ${`metering.${table}`}::regclass and c.relname ~ ${`^${table}_\\d{4}_\\d{2}$`}
    order by month
  `.execute(db);
  return months.rows.map(({ month }) => month);
}

async function dropPartition(
  db: Db,
  { table, month }: { table: PartitionedTable; month: Date },
): Promise<DueMonth> {
  return db.transaction().execute(async (trx) => {
    await sql`set local statement_timeout = ${sql.lit(dropTimeoutMs)}`.execute(trx);
    const dropped = await sql<Omit<DueMonth, "table" | "month">>`
      select outcome, dropped_rows::float8 as rows, unsealed::float8 as unsealed, open_events::float8 as "openEvents"
      from metering.drop_partition(${table}, ${month})
    `.execute(trx);
    const [row] = dropped.rows;
    if (row === undefined) throw new Error("drop_partition did not answer");
    return { table, month, ...row };
  });
}

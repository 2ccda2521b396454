import { sql } from "kysely";
import type { Db } from "../database/db.ts";

export const granularities = ["hour", "day", "month"] as const;

export type UsagePeriod = {
  /** Half-open: `from` counts, `to` does not. */
  from: Date;
  to: Date;
  granularity: (typeof granularities)[number];
  /** An IANA name; days and months begin at its midnight. */
  timeZone: string;
};

/** A part of one bucket, in Unix milliseconds; half-open. */
type Piece = { bucket: number; from: number; to: number };

/**
 * The buckets of a period: where each begins, in Unix milliseconds, and where the last one ends. Hours that the edge of a
 * bucket divides are told with their pieces; all other hours lie in one bucket as a whole.
 */
export type Buckets = {
  starts: number[];
  end: number;
  dividedHours: number[];
  pieces: Piece[];
  /** The whole hours of each bucket that has any. */
  wholes: Piece[];
};

const hourMs = 3_600_000;

/** The buckets of a period, cut to it. Only Postgres knows the time zone as its other answers do. */
export async function readBuckets(db: Db, period: UsagePeriod): Promise<Buckets> {
  const starts = period.granularity === "hour" ? await readHours(db, period) : await readDates(db, period);
  return divideHours(starts, period.to.getTime());
}

/** Hours are steps of absolute time, so that the first one tells all: a year of them is a long list to read. */
async function readHours(db: Db, { from, to, timeZone }: UsagePeriod): Promise<number[]> {
  const read = await sql<{ first: number }>`
    select (extract(epoch from date_trunc('hour', ${from}::timestamptz, ${timeZone})) * 1000)::float8 as first
  `.execute(db);
  const [row] = read.rows;
  if (row === undefined) throw new Error("an hour has no beginning");
  const count = Math.max(Math.ceil((to.getTime() - row.first) / hourMs), 0);
  return Array.from({ length: count }, (_, hour) => Math.max(row.first + hour * hourMs, from.getTime()));
}

/** Days and months are steps of local time, so that a day may have 23 hours. */
async function readDates(db: Db, { from, to, granularity, timeZone }: UsagePeriod): Promise<number[]> {
  const read = await sql<{ starts: number[] }>`
    select coalesce(array_agg((extract(epoch from greatest(start, ${from})) * 1000)::float8 order by start), '{}') as starts
    from (
      select local_start at time zone ${timeZone} as start
      from generate_series(
        date_trunc(${granularity}, ${from}::timestamptz at time zone ${timeZone}),
        ${to}::timestamptz at time zone ${timeZone},
        ${sql.lit(`1 ${granularity}`)}
      ) local_start
    ) s
    where start < ${to}
  `.execute(db);
  return read.rows[0]?.starts ?? [];
}

/** Finds the hours that edges of buckets divide. */
function divideHours(starts: number[], end: number): Buckets {
  const divided = new Set<number>();
  const pieces: Piece[] = [];
  const wholes: Piece[] = [];
  for (const [bucket, from] of starts.entries()) {
    const to = starts[bucket + 1] ?? end;
    const [wholeFrom, wholeTo] = [Math.ceil(from / hourMs) * hourMs, floorHour(to)];
    if (from % hourMs !== 0) divided.add(floorHour(from));
    if (to % hourMs !== 0) divided.add(wholeTo);
    if (wholeFrom >= wholeTo) {
      if (from % hourMs !== 0 || to % hourMs !== 0) pieces.push({ bucket, from, to });
      continue;
    }
    wholes.push({ bucket, from: wholeFrom, to: wholeTo });
    if (from < wholeFrom) pieces.push({ bucket, from, to: wholeFrom });
    if (wholeTo < to) pieces.push({ bucket, from: wholeTo, to });
  }
  return { starts, end, dividedHours: [...divided], pieces, wholes };
}

function floorHour(ms: number): number {
  return Math.floor(ms / hourMs) * hourMs;
}

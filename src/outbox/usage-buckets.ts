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

/** The minutes of an hour before which its sums say what was used. */
const quarters = [15, 30, 45] as const;
type Quarter = (typeof quarters)[number];

/**
 * The buckets of a period: where each begins, in Unix milliseconds, and where the last one ends. Hours that the edge of a
 * bucket divides are told with where they are divided; all other hours lie in one bucket as a whole.
 */
export type Buckets = {
  starts: number[];
  end: number;
  dividedHours: number[];
  /** Where hours are divided at a quarter. */
  cuts: Quarter[];
  /** Hours that are divided elsewhere, as at the ends of a period. */
  unevenHours: number[];
  /** The whole hours of each bucket that has any. */
  wholes: Piece[];
};

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

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

/**
 * Days and months are steps of local time, so that a day may have 23 hours. Where clocks go back over midnight, Postgres
 * tells the second of the two, and the day begins with the first.
 */
async function readDates(db: Db, { from, to, granularity, timeZone }: UsagePeriod): Promise<number[]> {
  const read = await sql<{ starts: number[] }>`
    select coalesce(array_agg((extract(epoch from greatest(start, ${from})) * 1000)::float8 order by start), '{}') as starts
    from (
      select
        case
          when (late_start - interval '1 hour') at time zone ${timeZone} = local_start then late_start - interval '1 hour'
          else late_start
        end as start
      from generate_series(
        date_trunc(${granularity}, ${from}::timestamptz at time zone ${timeZone}),
        ${to}::timestamptz at time zone ${timeZone},
        ${sql.lit(`1 ${granularity}`)}
      ) local_start
      cross join lateral (select local_start at time zone ${timeZone} as late_start) late
    ) s
    where start < ${to}
  `.execute(db);
  return read.rows[0]?.starts ?? [];
}

/** Finds the hours that edges of buckets divide. */
function divideHours(starts: number[], end: number): Buckets {
  const divided = new Set<number>();
  const uneven = new Set<number>();
  const minutes = new Set<number>();
  for (const edge of [...starts, end]) {
    if (edge % hourMs === 0) continue;
    divided.add(floorHour(edge));
    if (edge % (15 * minuteMs) === 0) minutes.add((edge - floorHour(edge)) / minuteMs);
    else uneven.add(floorHour(edge));
  }
  return {
    starts,
    end,
    dividedHours: [...divided],
    cuts: quarters.filter((quarter) => minutes.has(quarter)),
    unevenHours: [...uneven],
    wholes: wholesOf(starts, end),
  };
}

function wholesOf(starts: number[], end: number): Piece[] {
  const wholes = starts.map((start, bucket) => ({
    bucket,
    from: Math.ceil(start / hourMs) * hourMs,
    to: floorHour(starts[bucket + 1] ?? end),
  }));
  return wholes.filter(({ from, to }) => from < to);
}

function floorHour(ms: number): number {
  return Math.floor(ms / hourMs) * hourMs;
}

import { type RawBuilder, sql } from "kysely";
import type { MeterName } from "../usage/meters.ts";
import { isSealedUsage } from "./sums.ts";
import type { Buckets } from "./usage-buckets.ts";

/** Of whom usage is asked, of what, and in which buckets. */
export type UsageQuestion = {
  organizationId: string;
  meter: MeterName;
  buckets: Buckets;
  /** From when on all entries are kept; null: none were dropped. */
  keptFrom: Date | null;
};

const hourMs = 3_600_000;
const seconds = (ms: number) => ms / 1_000;

/** The number, from 1, of the bucket that a time of the period lies in. */
export function bucketAt(time: RawBuilder<unknown>, buckets: Buckets): RawBuilder<number> {
  // As a double at once: "extract" makes a decimal first, which takes longer than all else of a row.
  const epoch = sql`date_part('epoch', ${time})`;
  const firstMs = firstHourOf(buckets);
  // A year has thousands of hours, and to count them is cheaper than to look each up.
  if (firstMs !== undefined) return sql`(1 + floor((${epoch} - ${seconds(firstMs)}) / 3600))::int`;
  return sql`width_bucket(${epoch}, ${buckets.starts.map(seconds)}::float8[])`;
}

/**
 * Where the first of two or more hours begins; undefined where a bucket is longer than an hour. The period cuts the first
 * and the last: two days are no hours, as only both ends tell.
 */
function firstHourOf({ starts, end }: Buckets): number | undefined {
  const [first = end, second] = starts;
  if (second === undefined) return undefined;
  const firstMs = second - hourMs;
  const areHours =
    first >= firstMs &&
    starts.every((start, index) => index === 0 || start === firstMs + index * hourMs) &&
    end <= firstMs + starts.length * hourMs;
  return areHours ? firstMs : undefined;
}

/** A condition on meter events of whole hours: their hours, none of which is divided. */
export function inWholeHours(buckets: Buckets): RawBuilder<boolean> {
  return sql`(hour >= ${new Date(buckets.starts[0] ?? buckets.end)} and hour < ${new Date(buckets.end)} and not ${inDividedHours(buckets)})`;
}

/** A condition on rows with an hour of the period: an edge of a bucket divides it. */
export function inDividedHours({ starts, end, dividedHours }: Buckets): RawBuilder<boolean> {
  const first = Math.floor((starts[0] ?? end) / hourMs);
  if (dividedHours.length === 0) return sql`false`;
  // As in a time zone such as Asia/Kolkata.
  if (dividedHours.length === Math.ceil(end / hourMs) - first) return sql`true`;
  return sql`(date_part('epoch', hour) = any(${dividedHours.map(seconds)}::float8[]))`;
}

/** A condition on a time: it lies in the period. */
export function inPeriod(time: RawBuilder<unknown>, { starts, end }: Buckets): RawBuilder<boolean> {
  return sql`(${time} >= ${new Date(starts[0] ?? end)} and ${time} < ${new Date(end)})`;
}

/** Hours in Unix milliseconds, as rows. */
export function hoursOf(hours: readonly number[]): RawBuilder<unknown> {
  return sql`select to_timestamp(t) as hour from unnest(${hours.map(seconds)}::float8[]) t`;
}

/** Parts of buckets, each with the number of its bucket. */
export function spansOf(parts: Buckets["wholes"]): RawBuilder<unknown> {
  const times = (ms: number[]) => sql`${ms.map(seconds)}::float8[]`;
  return sql`
    select n, to_timestamp(starts_at) as starts_at, to_timestamp(ends_at) as ends_at
    from unnest(
      ${parts.map(({ bucket }) => bucket + 1)}::int[], ${times(parts.map(({ from }) => from))},
      ${times(parts.map(({ to }) => to))}
    ) part (n, starts_at, ends_at)
  `;
}

/** Entries of the period that no meter event holds yet, with their hours. */
export function unsealedOf({ organizationId, meter, buckets }: UsageQuestion): RawBuilder<unknown> {
  return sql`
    select ${bucketAt(sql`occurred_at`, buckets)} as n, occurred_at, id, quantity, date_trunc('hour', occurred_at, 'UTC') as hour
    from metering.meter_outbox
    where meter_event_id is null and meter = ${meter} and organization_id = ${organizationId}
      and ${inPeriod(sql`occurred_at`, buckets)}
  `;
}

/**
 * The entries of the hours that `hours` selects. Where entries were dropped, each meter event stands for those that it folded,
 * at the time of the latest.
 */
export function entriesOf(
  { organizationId, meter, buckets, keptFrom }: UsageQuestion,
  hours: RawBuilder<unknown>,
): RawBuilder<unknown> {
  const isAllKept = keptFrom === null || (buckets.starts[0] ?? 0) >= keptFrom.getTime();
  const ofDropped = sql`
    union all
    select quantity, id, event_at
    from metering.meter_events
    where organization_id = ${organizationId} and meter = ${meter} and ${isSealedUsage}
      and hour = h.hour and ${inPeriod(sql`event_at`, buckets)}
      and date_trunc('month', hour, 'UTC') in (
        select month from metering.dropped_partitions where table_name = 'meter_outbox'
      )
  `;
  return sql`
    select ${bucketAt(sql`e.occurred_at`, buckets)} as n, e.quantity, e.meter_event_id
    from (${hours}) h
    cross join lateral (
      select quantity, meter_event_id, occurred_at
      from metering.meter_outbox
      where organization_id = ${organizationId} and meter = ${meter}
        and occurred_at >= h.hour and occurred_at < h.hour + interval '1 hour' and ${inPeriod(sql`occurred_at`, buckets)}
      ${isAllKept ? sql`` : ofDropped}
    ) e
  `;
}

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

/** The number, from 1, of the bucket that a time lies in. */
export function bucketAt(time: RawBuilder<unknown>, { starts }: Buckets): RawBuilder<number> {
  // As a double at once: "extract" makes a decimal first, which takes longer than all else of a row.
  const epoch = sql`date_part('epoch', ${time})`;
  const firstMs = (starts[1] ?? 0) - hourMs;
  const isHourly = starts.every((start, index) => index === 0 || start === firstMs + index * hourMs);
  // A year has thousands of hours, and to count them is cheaper than to look each up.
  if (isHourly && starts.length > 1) return sql`(1 + floor((${epoch} - ${seconds(firstMs)}) / 3600))::int`;
  return sql`width_bucket(${epoch}, ${starts.map(seconds)}::float8[])`;
}

/** A condition on meter events of whole hours: their hours, none of which is divided. */
export function inWholeHours({ starts, end, dividedHours }: Buckets): RawBuilder<boolean> {
  const isWhole =
    dividedHours.length === 0
      ? sql``
      : sql`and date_part('epoch', hour) <> all(${dividedHours.map(seconds)}::float8[])`;
  return sql`(hour >= ${new Date(starts[0] ?? end)} and hour < ${new Date(end)} ${isWhole})`;
}

/** Parts of buckets, each with the number of its bucket. */
export function spansOf(parts: Buckets["pieces"]): RawBuilder<unknown> {
  const times = (ms: number[]) => sql`${ms.map(seconds)}::float8[]`;
  return sql`
    select n, to_timestamp(starts_at) as starts_at, to_timestamp(ends_at) as ends_at
    from unnest(
      ${parts.map(({ bucket }) => bucket + 1)}::int[], ${times(parts.map(({ from }) => from))},
      ${times(parts.map(({ to }) => to))}
    ) part (n, starts_at, ends_at)
  `;
}

/** Entries of whole hours that no meter event holds yet. */
export function unsealedOf({ organizationId, meter, buckets }: UsageQuestion): RawBuilder<unknown> {
  const { starts, end } = buckets;
  return sql`
    select ${bucketAt(sql`occurred_at`, buckets)} as n, occurred_at, id, quantity
    from (
      select occurred_at, id, quantity, date_trunc('hour', occurred_at, 'UTC') as hour
      from metering.meter_outbox
      where meter_event_id is null and meter = ${meter} and organization_id = ${organizationId}
        and occurred_at >= ${new Date(starts[0] ?? end)} and occurred_at < ${new Date(end)}
    ) entry
    where ${inWholeHours(buckets)}
  `;
}

/**
 * The entries of divided hours, or undefined where there are none such hours. Where entries were dropped, each meter event
 * stands for those that it folded, at the time of the latest. `each` is put behind the entries of one piece.
 */
export function ofPieces(
  { organizationId, meter, buckets: { pieces, starts }, keptFrom }: UsageQuestion,
  each: RawBuilder<unknown> = sql``,
): RawBuilder<unknown> | undefined {
  if (pieces.length === 0) return undefined;
  const ofDropped = sql`
    union all
    select quantity, id as meter_event_id, event_at as occurred_at, id
    from metering.meter_events
    where organization_id = ${organizationId} and meter = ${meter} and ${isSealedUsage}
      and hour > p.starts_at - interval '1 hour' and hour < p.ends_at
      and event_at >= p.starts_at and event_at < p.ends_at
      and date_trunc('month', hour, 'UTC') in (
        select month from metering.dropped_partitions where table_name = 'meter_outbox'
      )
  `;
  const isAllKept = keptFrom === null || (starts[0] ?? 0) >= keptFrom.getTime();
  return sql`
    select p.n, e.quantity, e.meter_event_id, e.occurred_at, e.id
    from (${spansOf(pieces)}) p
    cross join lateral (
      select * from (
        select quantity, meter_event_id, occurred_at, id
        from metering.meter_outbox
        where organization_id = ${organizationId} and meter = ${meter}
          and occurred_at >= p.starts_at and occurred_at < p.ends_at
        ${isAllKept ? sql`` : ofDropped}
      ) entry
      ${each}
    ) e
  `;
}

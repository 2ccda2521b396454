import { type RawBuilder, sql } from "kysely";
import type { Buckets } from "./usage-buckets.ts";
import { bucketAt, entriesOf, hoursOf, inDividedHours, inPeriod, type UsageQuestion } from "./usage-parts.ts";

/** What a statement about sums needs of hours that edges of buckets divide. */
type DividedHours = {
  /** The query `open_hours`: divided hours whose entries are read. */
  hours: RawBuilder<unknown>;
  /** The entries of open hours, each with its bucket and its meter event. */
  entries: RawBuilder<unknown>;
  /** What other divided hours have, by bucket: all of it is delivered. */
  quarters: RawBuilder<unknown>;
};

/**
 * Divided hours in terms of the queries `summed` and `usage_beside`, the sums by hour and the events beside them. An hour is
 * open where the sums lack an event of it or have one that is not delivered, where they do not know its quarters, and where
 * it is divided elsewhere. Of any other hour the quarters tell all that is sealed.
 */
export function ofDividedHours(question: UsageQuestion, summedThrough: string | null): DividedHours {
  const { buckets } = question;
  if (buckets.dividedHours.length === 0) return noHours;
  const isDivided = inDividedHours(buckets);
  const open =
    summedThrough === null
      ? hoursOf(buckets.dividedHours)
      : sql`
          select hour from usage_beside where ${isDivided}
          union
          select hour from summed where before_15 is null and ${isDivided}
          union
          ${hoursOf(buckets.unevenHours)}
        `;
  return {
    hours: sql`open_hours as materialized (${open})`,
    entries: entriesOf(question, sql`select hour from open_hours`),
    quarters: sql`
      select ${bucketAt(sql`part.starts_at`, buckets)} as n, part.quantity
      from summed
      cross join lateral (values ${partsOf(buckets)}) part (starts_at, quantity)
      where ${isDivided} and hour not in (select hour from open_hours) and ${inPeriod(sql`part.starts_at`, buckets)}
    `,
  };
}

const noHours: DividedHours = {
  hours: sql`open_hours as (${hoursOf([])})`,
  entries: sql`select null::int as n, null::bigint as quantity, null::uuid as meter_event_id where false`,
  quarters: sql`select null::int as n, null::numeric as quantity where false`,
};

/** The parts of an hour between the minutes at which hours are divided. */
function partsOf({ cuts }: Buckets): RawBuilder<unknown> {
  const before = (minute: number) => (minute === 60 ? sql`quantity` : sql.ref(`before_${minute}`));
  const minutes = [0, ...cuts];
  const parts = minutes.map((minute, place) => {
    const until = before(minutes[place + 1] ?? 60);
    const quantity = minute === 0 ? until : sql`${until} - ${before(minute)}`;
    return sql`(hour + interval '${sql.lit(minute)} minutes', ${quantity})`;
  });
  return sql.join(parts);
}

import { sql } from "kysely";
import { byIndex } from "../database/one-plan.ts";
import type { Db } from "../database/db.ts";
import { type MeterName, meters } from "../usage/meters.ts";
import { type Buckets, readBuckets, type UsagePeriod } from "./usage-buckets.ts";
import { readSummedThrough } from "./sums.ts";
import type { UsageQuestion } from "./usage-parts.ts";
import { usageSums } from "./usage-sums.ts";
import { usageValues } from "./usage-values.ts";

export type UsageQuery = UsagePeriod & Pick<UsageQuestion, "meter" | "keptFrom">;

/** One bucket of usage, cut to the period asked for. `quantity` is all usage; the other fields say where it is now. */
export type UsageBucket = {
  start: Date;
  end: Date;
  quantity: number;
  delivered: number;
  pending: number;
  in_doubt: number;
  rejected: number;
};

/**
 * An organization's usage of a meter by time: exact for any time zone, empty buckets included. `sum` meters add up; of a
 * `last` meter each bucket has its latest value. Usage that expired counts as rejected, and a gauge that a newer value
 * overtook is in no state any more.
 *
 * Hours and their quarters come from the sums of their meter events, those of a gauge from the events, which are as good as
 * the entries that they fold and fewer, and from what is not sealed yet. Entries are read in hours that the edge of a bucket
 * divides, where sums do not tell enough. Where entries were dropped, each meter event stands there for those that it folded,
 * at the time of the latest. They are final, so nothing of them is missing.
 */
export async function readUsage(
  db: Db,
  organizationId: string,
  { meter, keptFrom, ...period }: UsageQuery,
): Promise<UsageBucket[]> {
  const buckets = await readBuckets(db, period);
  const question = { organizationId, meter, buckets, keptFrom };
  const isLast = meters[meter].aggregation === "last";
  const summedThrough = await readSummedThrough(db, organizationId);
  const parts = isLast ? usageValues(question) : usageSums(question, summedThrough);
  // Doubles add up in half the time of decimals, and are the answer's type. Three lists in place of thousands of rows, which
  // would cost the driver more than Postgres.
  const read = await byIndex(db, (trx) =>
    sql<Figures>`
      select
        coalesce(json_agg(n), '[]') as numbers,
        coalesce(json_agg(quantity), '[]') as quantities,
        coalesce(
          json_agg(json_build_array(n, delivered, pending, in_doubt, rejected))
            filter (where quantity <> delivered or pending <> 0 or in_doubt <> 0 or rejected <> 0),
          '[]'
        ) as divided
      from (
        select
          n,
          coalesce(sum(used), 0) as quantity,
          coalesce(sum(counted), 0) as delivered,
          coalesce(sum(used - counted) filter (where state = 'pending'), 0) as pending,
          coalesce(sum(used - counted) filter (where state = 'in_doubt'), 0) as in_doubt,
          coalesce(sum(used - counted) filter (where state in ('rejected', 'expired')), 0) as rejected
        from (
          select n, state, used::float8 as used, counted::float8 as counted
          from (${parts}) part (n, state, used, counted)
        ) part
        group by n
      ) bucket
    `.execute(trx),
  );
  const [figures] = read.rows;
  if (figures === undefined) throw new Error("usage has no figures");
  return fillBuckets(buckets, figures);
}

/** Of buckets that have usage: their numbers, from 1, and in the same order their quantities. */
type Figures = {
  numbers: number[];
  quantities: number[];
  /** Where not all of it is delivered, which is so in few. */
  divided: [n: number, delivered: number, pending: number, inDoubt: number, rejected: number][];
};

function fillBuckets({ starts, end }: Buckets, { numbers, quantities, divided }: Figures): UsageBucket[] {
  const quantityOf = new Map(numbers.map((n, place) => [n, quantities[place] ?? 0]));
  const dividedBy = new Map(divided.map((one) => [one[0], one]));
  // Where one bucket ends, the next one begins.
  const edges = [...starts, end].map((ms) => new Date(ms));
  return edges.slice(0, -1).map((start, index) => {
    const quantity = quantityOf.get(index + 1) ?? 0;
    const [, delivered = quantity, pending = 0, inDoubt = 0, rejected = 0] = dividedBy.get(index + 1) ?? [];
    return {
      start,
      end: edges[index + 1] ?? start,
      quantity,
      delivered,
      pending,
      in_doubt: inDoubt,
      rejected,
    };
  });
}

/**
 * Up to when all usage of an organization and meter has reached Stripe. What is open is found by the indexes of its state, for
 * which `offset 0` stands: to find an earliest hour, the planner would walk through all hours of the organization.
 */
export async function usageCompleteThrough(db: Db, organizationId: string, meter: MeterName): Promise<Date> {
  const complete = await byIndex(db, (trx) =>
    sql<{ through: Date }>`
      select least(
        now(),
        (
          select min(occurred_at) from metering.meter_outbox
          where organization_id = ${organizationId} and meter = ${meter} and meter_event_id is null
        ),
        (
          select min(hour) from (
            select hour from metering.meter_events
            where organization_id = ${organizationId} and meter = ${meter} and state = 'pending'
            offset 0
          ) pending
        ),
        (
          select min(hour) from (
            select hour from metering.meter_events
            where organization_id = ${organizationId} and meter = ${meter} and state = 'in_doubt'
            offset 0
          ) in_doubt
        )
      ) as through
    `.execute(trx),
  );
  const [row] = complete.rows;
  if (row === undefined) throw new Error("the time of completeness is missing");
  return row.through;
}

import { type RawBuilder, sql } from "kysely";

/** A customer's time; half-open. */
export type CustomerTime = { customer: string; start: Date; end: Date };

/** A customer's time of an organization's usage. */
export type UsagePeriod = CustomerTime & { organizationId: string };

/** Several times of one organization. In statements each has its number `n`, from 1. */
export type UsagePeriods = { organizationId: string; times: readonly CustomerTime[] };

/** Times as rows `p (n, customer, starts_at, ends_at)`. */
export function timesAsRows(times: readonly CustomerTime[]): RawBuilder<unknown> {
  return sql`
    unnest(
      ${times.map(({ customer }) => customer)}::text[], ${times.map(({ start }) => start.toISOString())}::timestamptz[],
      ${times.map(({ end }) => end.toISOString())}::timestamptz[]
    ) with ordinality p (customer, starts_at, ends_at, n)
  `;
}

/** When each customer pays in its time, with the whole UTC hours of each span. */
export function paidSpansOf({ organizationId, times }: UsagePeriods): RawBuilder<unknown> {
  return sql`
    select n, customer, starts_at, ends_at, whole_from, whole_to
    from ${withWholeHours(sql`(
      select p.n, p.customer, greatest(s.starts_at, p.starts_at) as starts_at, least(s.ends_at, p.ends_at) as ends_at
      from ${timesAsRows(times)}
      -- Of the organization's few, and not by an index of customers.
      join (select * from metering.customer_spans where organization_id = ${organizationId} offset 0) s
        on s.stripe_customer_id = p.customer and s.starts_at < p.ends_at and s.ends_at > p.starts_at
    ) paid`)}
  `;
}

/** Spans with the whole UTC hours in each, `whole_from` to `whole_to`; as `wholeHoursOf` has them of one. */
export function withWholeHours(spans: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(
    select *, greatest(date_trunc('hour', ends_at, 'UTC'), whole_from) as whole_to
    from (
      select *, least(date_trunc('hour', starts_at + interval '1 hour' - interval '1 microsecond', 'UTC'), ends_at) as whole_from
      from ${spans}
    ) span
  ) whole`;
}

import { type RawBuilder, sql } from "kysely";

type Moment = Record<"organizationId" | "meter" | "customer" | "at", RawBuilder<unknown>>;

/**
 * Ends a statement on `metering.reconciliations r`: of the looks at windows that hold a moment the newest, and of several of
 * one time the narrowest.
 */
export function newestLook({ organizationId, meter, customer, at }: Moment): RawBuilder<unknown> {
  return sql`
    where r.organization_id = ${organizationId} and r.meter = ${meter} and r.stripe_customer_id = ${customer}
      and r.window_end > ${at} and r.window_start <= ${at}
    order by r.read_at desc, r.window_end - r.window_start
    limit 1
  `;
}

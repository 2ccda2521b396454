import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { byIndex } from "../database/one-plan.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";
import type { Window } from "./fold-window.ts";
import type { Look } from "./looks.ts";
import type { Span } from "./windows.ts";

/** What Stripe was asked about an organization; its customer and meter may be left open. */
export type LooksFilter = Span & {
  organizationId: string;
  customer?: string | undefined;
  meter?: MeterName | undefined;
  /** Leaves out windows that are equal, or that a later look at a wider one found equal. */
  isOffOnly: boolean;
  limit: number;
};

const lookColumns = sql`
  organization_id as "organizationId", stripe_customer_id as customer, meter, window_start as start,
  window_end as "end", ours::text as ours, doubtful::text as doubtful, theirs::text as theirs, events, fingerprint, reads,
  result, reason, read_at as "readAt"
`;

/** The latest look at each window that touches a stretch of time: by meter and customer, the widest windows first. */
export async function listLatestLooks(db: Db, filter: LooksFilter): Promise<Look[]> {
  const { organizationId, customer, meter, start, end, isOffOnly, limit } = filter;
  const found = await byIndex(db, (trx) =>
    sql<Look>`
      with latest as materialized (
        select distinct on (meter, stripe_customer_id, window_start, window_end) *
        from metering.reconciliations
        where organization_id = ${organizationId} and meter = any(${meter === undefined ? meterNames : [meter]}::text[])
          and window_end > ${start}::timestamptz and window_start < ${end}::timestamptz
          ${customer === undefined ? sql`` : sql`and stripe_customer_id = ${customer}`}
        order by meter, stripe_customer_id, window_start, window_end, read_at desc, id desc
      )
      select ${lookColumns}
      from latest l
      where ${
        isOffOnly
          ? sql`
            l.result <> 'equal' and not exists (
              select from latest later
              where later.meter = l.meter and later.stripe_customer_id = l.stripe_customer_id
                and later.window_start <= l.window_start and later.window_end >= l.window_end
                and later.read_at > l.read_at and later.result = 'equal'
            )
          `
          : sql`true`
      }
      order by meter, stripe_customer_id, window_end - window_start desc, window_start
      limit ${limit}
    `.execute(trx),
  );
  return found.rows;
}

/** The latest look at exactly this window; undefined: there was none. */
export async function findLatestLook(db: Db, window: Window): Promise<Look | undefined> {
  const found = await sql<Look>`
    select ${lookColumns}
    from metering.reconciliations
    where organization_id = ${window.organizationId} and meter = ${window.meter}
      and stripe_customer_id = ${window.customer}
      and window_end = ${window.end}::timestamptz and window_start = ${window.start}::timestamptz
    order by read_at desc, id desc
    limit 1
  `.execute(db);
  return found.rows[0];
}

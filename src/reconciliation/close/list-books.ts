import { type QueryResult, sql } from "kysely";
import { byIndex, inIndexOrder } from "../../database/one-plan.ts";
import type { Db } from "../../database/db.ts";
import { type BillingPeriod, invoiceColumns, periodColumns, type PeriodInvoice } from "./billing-periods.ts";
import type { Books } from "./gate-rules.ts";

/** Still running; ended, and its invoice is not final; its invoice is final. */
export const periodStages = ["open", "closing", "closed"] as const;
export type PeriodStage = (typeof periodStages)[number];

/** What the list can be narrowed to: the books of the last look, or usage that final invoices lack. */
export const bookStates = ["equal", "settling", "open", "unknown", "different", "not_billed"] as const;
type BookState = (typeof bookStates)[number];

export type BookedPeriod = BillingPeriod & {
  stage: PeriodStage;
  organizationName: string;
  /** The newest first. */
  invoices: PeriodInvoice[];
};

type ListedPeriod = Omit<BookedPeriod, "invoices">;

export type BooksFilter = {
  stage?: PeriodStage | undefined;
  books?: BookState | undefined;
  organizationId?: string | undefined;
  /** The last period of the page before. */
  before?: Pick<BillingPeriod, "end" | "organizationId" | "start"> | undefined;
  limit: number;
};

const stage = sql`
  case when p.closed_at is not null then 'closed' when p.period_end <= now() then 'closing' else 'open' end
`;

/** Billing periods of all organizations, the latest end first, each with its invoices. */
export async function listBooks(db: Db, filter: BooksFilter): Promise<BookedPeriod[]> {
  const { organizationId, before, limit } = filter;
  // The few periods that lack something have an index of their own, which is not in the list's order.
  const read =
    filter.books === "not_billed"
      ? byIndex<QueryResult<ListedPeriod>>
      : inIndexOrder<QueryResult<ListedPeriod>>;
  const found = await read(db, (trx) =>
    sql<ListedPeriod>`
      select ${periodColumns}, ${stage} as stage, o.name as "organizationName"
      from metering.billing_periods p
      join metering.organizations o on o.id = p.organization_id
      where ${isInStage(filter.stage)} and ${hasBooks(filter.books)}
        ${organizationId === undefined ? sql`` : sql`and p.organization_id = ${organizationId}`}
        ${
          before === undefined
            ? sql``
            : sql`
              and (p.period_end, p.organization_id, p.period_start)
                < (${before.end}::timestamptz, ${before.organizationId}::uuid, ${before.start}::timestamptz)
            `
        }
      order by p.period_end desc, p.organization_id desc, p.period_start desc
      limit ${limit}
    `.execute(trx),
  );
  const invoices = await listInvoicesOf(db, found.rows, organizationId);
  return found.rows.map((period) => ({
    ...period,
    invoices: invoices.filter(
      (one) =>
        one.organizationId === period.organizationId && one.periodStart.getTime() === period.start.getTime(),
    ),
  }));
}

function isInStage(wanted: PeriodStage | undefined) {
  switch (wanted) {
    case undefined:
      return sql`true`;
    case "open":
      return sql`p.closed_at is null and p.period_end > now()`;
    case "closing":
      return sql`p.closed_at is null and p.period_end <= now()`;
    case "closed":
      return sql`p.closed_at is not null`;
  }
}

function hasBooks(wanted: BookState | undefined) {
  if (wanted === undefined) return sql`true`;
  return wanted === "not_billed" ? sql`p.not_billed is not null` : sql`p.books = ${wanted}`;
}

type InvoiceOfPeriod = PeriodInvoice & { organizationId: string; periodStart: Date };

/** `ofOne`: the organization of all these periods, which one node of a cluster holds. */
async function listInvoicesOf(
  db: Db,
  periods: readonly Pick<BillingPeriod, "organizationId" | "start">[],
  ofOne: string | undefined,
): Promise<InvoiceOfPeriod[]> {
  if (periods.length === 0) return [];
  const found = await sql<InvoiceOfPeriod>`
    select ${invoiceColumns}, i.organization_id as "organizationId", i.period_start as "periodStart"
    from unnest(
      ${periods.map(({ organizationId }) => organizationId)}::uuid[],
      ${periods.map(({ start }) => start)}::timestamptz[]
    ) as wanted (organization_id, period_start)
    join metering.billing_invoices i using (organization_id, period_start)
    ${ofOne === undefined ? sql`` : sql`where i.organization_id = ${ofOne}`}
    order by i.created_at desc, i.invoice_id
  `.execute(db);
  return found.rows;
}

/** How many periods are in a stage with these books; null: no look was needed yet. */
export type BooksCount = { stage: PeriodStage; books: Books | null; count: number; notBilled: number };

/** Stripe takes usage for 35 days: a period that ended before that changes no more. */
export const countedDays = 40;

/** Counts the periods that run, or ended lately. */
export async function countBooks(db: Db): Promise<BooksCount[]> {
  const counted = await byIndex(db, (trx) =>
    sql<BooksCount>`
      select
        ${stage} as stage, p.books, count(*)::float8 as count,
        count(*) filter (where p.not_billed is not null)::float8 as "notBilled"
      from metering.billing_periods p
      where p.period_end > now() - make_interval(days => ${countedDays})
      group by 1, 2
      order by 1, 2
    `.execute(trx),
  );
  return counted.rows;
}

import type { BookedPeriod } from "../../reconciliation/close/list-books.ts";
import type { Quantities } from "../../reconciliation/close/billing-periods.ts";
import { type Column, DataTable, None } from "../parts/data-table.tsx";
import { decimalInDigits } from "../parts/figures.ts";
import { StateBadge } from "../parts/state-badge.tsx";
import { Between, When } from "../parts/when.tsx";
import { BooksBadge } from "./books-badge.tsx";
import { booksOf, statementOf } from "./books-paths.ts";
import { describeGate, mainInvoice } from "./describe-gate.ts";

/** Billing periods with their books, their invoice and what the gate says of it. */
export function PeriodTable({
  periods,
  names = true,
}: {
  periods: readonly BookedPeriod[];
  /** Left out where all are of the organization that the page is about. */
  names?: boolean;
}) {
  const columns = names ? [organization, ...shared] : shared;
  return (
    <DataTable caption="Billing periods, the latest first" hidesCaption columns={columns} rows={periods} />
  );
}

const organization: Column<BookedPeriod> = {
  head: "Organization",
  kind: "name",
  cell: ({ organizationId, organizationName: name }) => <a href={booksOf(organizationId)}>{name}</a>,
};

const shared: Column<BookedPeriod>[] = [
  {
    head: "Statement (UTC)",
    cell: ({ organizationId, start, end }) => (
      <a href={statementOf(organizationId, start)}>
        <Between from={start} to={end} />
      </a>
    ),
  },
  { head: "State", cell: ({ stage }) => <StateBadge state={stage} /> },
  { head: "Books", cell: ({ books }) => <BooksBadge books={books} /> },
  { head: "Invoice", cell: (period) => <Invoice period={period} /> },
  { head: "On no invoice", cell: ({ notBilled }) => <NotBilled quantities={notBilled} /> },
];

function Invoice({ period }: { period: BookedPeriod }) {
  const invoice = mainInvoice(period.invoices);
  if (invoice === undefined) return <None />;
  const said = invoice.status === "draft" ? describeGate(invoice, period) : undefined;
  const others = period.invoices.length - 1;
  return (
    <>
      {invoice.status} <span class="mono">{invoice.id}</span>
      {invoice.status === "draft" && invoice.finalizesAt !== null && (
        <p class="small">
          final at <When at={invoice.finalizesAt} />
        </p>
      )}
      {said !== undefined && <p class="small">{said}</p>}
      {others > 0 && <p class="small">and {others} more</p>}
    </>
  );
}

function NotBilled({ quantities }: { quantities: Quantities | null }) {
  if (quantities === null) return <None />;
  return (
    <>
      <StateBadge state="not_billed" />
      {Object.entries(quantities).map(([meter, quantity]) => (
        <p class="small">
          {decimalInDigits(quantity)} of {meter}
        </p>
      ))}
    </>
  );
}

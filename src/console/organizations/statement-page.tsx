import type { StatementAnswer } from "../../api/organizations/statement-answer.ts";
import type { BillingPeriod } from "../../reconciliation/close/billing-periods.ts";
import { eventsPath } from "../meter-events/events-page.tsx";
import { BooksBadge } from "../books/books-badge.tsx";
import { booksOf, statementOf } from "../books/books-paths.ts";
import { FactList } from "../parts/fact-list.tsx";
import { type Column, DataTable, None } from "../parts/data-table.tsx";
import { decimalInDigits, inDigits } from "../parts/figures.ts";
import { When } from "../parts/when.tsx";
import { organizationsPath } from "./organizations-page.tsx";

type Meter = StatementAnswer["meters"][number];
type Row = Meter["rows"][number];
type Invoice = NonNullable<StatementAnswer["invoice"]>;

const rowsShownMax = 200;

type StatementView = { statement: StatementAnswer; name: string; period: BillingPeriod };

/** What was stored, sent, counted by Stripe and invoiced in one billing period, and what the difference consists of. */
export function StatementPage({ statement, name, period }: StatementView) {
  const { organization_id: id, meters } = statement;
  const path = statementOf(id, period.start);
  return (
    <>
      <h1>Statement of {name}</h1>
      <Facts statement={statement} period={period} />
      <DataTable caption="What was used, sent and billed" columns={meterColumns} rows={meters} />
      {meters.map((meter) => (
        <Rows meter={meter} />
      ))}
      <Invoices statement={statement} />
      <ul class="row">
        <li>
          <a class="button" href={`${path}/statement.csv`} download>
            As CSV
          </a>
        </li>
        <li>
          <a class="button" href={booksOf(id)}>
            Its books
          </a>
        </li>
        <li>
          <a class="button" href={`${organizationsPath}/${id}`}>
            The organization
          </a>
        </li>
      </ul>
    </>
  );
}

function Facts({ statement, period }: Omit<StatementView, "name">) {
  const facts = [
    ["From", <When at={statement.period.start} />],
    ["to", <When at={statement.period.end} />],
    ["Closed", <When at={statement.closed_at} none="not yet" />],
    ["Books at the last look", <BooksBadge books={period.books} />],
    ["Stripe customer", <code>{statement.stripe_customer_id}</code>],
    ["Subscription", statement.stripe_subscription_id ?? "none"],
  ] as const;
  return <FactList facts={facts} />;
}

function Amount({ value }: { value: string | null }) {
  return value === null ? <None /> : <>{decimalInDigits(value)}</>;
}

const meterColumns: Column<Meter>[] = [
  { head: "Meter", kind: "name", cell: ({ meter }) => meter },
  {
    head: "Readings",
    kind: "figure",
    cell: ({ readings }) => (readings === null ? <None /> : inDigits(readings)),
  },
  { head: "Entries", kind: "figure", cell: ({ entries }) => inDigits(entries) },
  { head: "Used", kind: "figure", cell: ({ used }) => <Amount value={used} /> },
  { head: "Sent", kind: "figure", cell: ({ sent }) => <Amount value={sent} /> },
  { head: "Stripe's sum", kind: "figure", cell: ({ stripe }) => <Amount value={stripe} /> },
  { head: "Invoiced", kind: "figure", cell: ({ invoiced }) => <Amount value={invoiced} /> },
  {
    head: "Difference",
    kind: "figure",
    cell: ({ difference }) =>
      difference === "0" ? "0" : <strong class="off">{decimalInDigits(difference)}</strong>,
  },
  { head: "Compared", cell: ({ compared }) => <When at={compared?.read_at ?? null} /> },
];

function Rows({ meter: { meter, rows, difference } }: { meter: Meter }) {
  const shown = rows.slice(0, rowsShownMax);
  return (
    <section aria-label={`The difference of ${meter}`}>
      <h2>{meter}</h2>
      {rows.length === 0 ? (
        <p class="calm-words">
          {difference === "0" ? "Nothing is missing, and nothing is too much." : "No row tells of it."}
        </p>
      ) : (
        <DataTable
          caption={`What the difference of ${meter} consists of`}
          columns={rowColumns}
          rows={shown}
        />
      )}
      {rows.length > shown.length && (
        <p class="small">
          The first {inDigits(shown.length)} of {inDigits(rows.length)} rows; the CSV has them all.
        </p>
      )}
    </section>
  );
}

/** What each kind of row means, as docs/reconciliation.md says at more length. */
const meanings: Record<Row["kind"], string> = {
  unsealed: "recorded, in no meter event yet",
  pending: "not delivered yet",
  in_doubt: "may or may not be at Stripe",
  rejected: "Stripe refused it",
  expired: "too old for Stripe",
  late: "delivered after the invoice was final",
  carried_forward: "a later period bills it",
  carried_in: "usage of an earlier period",
  stripe_differs: "Stripe's sum of the hour is not ours",
  other_organizations: "the invoice bills it too, for the same customer",
  no_invoice: "Stripe made no invoice for the period",
  trial: "used in a trial, and free",
  no_price: "no line of its own final invoices bills the meter",
  void: "its invoice is void or was deleted, and none bills it",
  unexplained: "what no other row tells",
  others: "rows that are left out",
};

const rowColumns: Column<Row>[] = [
  { head: "Why", kind: "name", cell: ({ kind }) => kind.replaceAll("_", " ") },
  { head: "Means", cell: ({ kind }) => meanings[kind] },
  { head: "Hour", cell: ({ hour }) => (hour === null ? <None /> : <When at={hour} />) },
  { head: "Quantity", kind: "figure", cell: ({ quantity }) => <Amount value={quantity} /> },
  { head: "Difference", kind: "figure", cell: ({ difference }) => <Amount value={difference} /> },
  {
    head: "Of the period",
    cell: ({ of_period: start }) => (start === null ? <None /> : <When at={start} />),
  },
  {
    head: "Meter event",
    kind: "mono",
    cell: ({ meter_event_id: id }) => (id === null ? <None /> : <a href={`${eventsPath}/${id}`}>{id}</a>),
  },
];

function Invoices({ statement: { invoice, other_invoices: others } }: { statement: StatementAnswer }) {
  if (invoice === null) return <p class="empty">No invoice of this period is known yet.</p>;
  return (
    <section aria-label="Invoices">
      <h2>Invoices</h2>
      <DataTable
        caption="Invoices, the one that bills it first"
        hidesCaption
        columns={invoiceColumns}
        rows={[invoice, ...others]}
      />
    </section>
  );
}

const invoiceColumns: Column<Invoice>[] = [
  { head: "Invoice", kind: "mono", cell: ({ id }) => id },
  { head: "Status", cell: ({ status }) => status },
  { head: "Subscription", kind: "mono", cell: ({ stripe_subscription_id: id }) => id ?? <None /> },
  { head: "Made", cell: ({ created_at: at }) => <When at={at} /> },
  { head: "Finalizes", cell: ({ finalizes_at: at }) => <When at={at} none="–" /> },
  { head: "Held until", cell: ({ held_until: at }) => <When at={at} none="–" /> },
  { head: "Final", cell: ({ finalized_at: at }) => <When at={at} none="not yet" /> },
  { head: "Paid", cell: ({ paid_at: at }) => <When at={at} none="not yet" /> },
];

import type { Difference } from "../../monitoring/differences.ts";
import { subtractQuantity } from "../../usage/quantity.ts";
import { type Column, DataTable } from "../parts/data-table.tsx";
import { decimalInDigits } from "../parts/figures.ts";
import { Between, When } from "../parts/when.tsx";
import { MeterOfCustomer } from "./meter-of-customer.tsx";
import { booksOf, windowOf } from "./books-paths.ts";

/** Customers and meters whose sum at Stripe is not ours, each by its widest window. */
export function DifferenceTable({ differences }: { differences: readonly Difference[] }) {
  if (differences.length === 0) {
    return (
      <p class="calm-words">Nowhere: no comparison of the last days has found a difference that stands.</p>
    );
  }
  return (
    <DataTable
      caption="Differences by customer and meter"
      hidesCaption
      columns={columns}
      rows={differences}
    />
  );
}

const columns: Column<Difference>[] = [
  {
    head: "Organization",
    kind: "name",
    cell: ({ organizationId, organizationName: name }) => <a href={booksOf(organizationId)}>{name}</a>,
  },
  { head: "Of", cell: (one) => <MeterOfCustomer of={one} /> },
  {
    head: "Window (UTC)",
    cell: (one) => (
      <a href={windowOf(one)}>
        <Between from={one.start} to={one.end} />
      </a>
    ),
  },
  { head: "Ours", kind: "figure", cell: ({ ours }) => decimalInDigits(ours) },
  { head: "Stripe's", kind: "figure", cell: ({ theirs }) => decimalInDigits(theirs) },
  {
    head: "Difference",
    kind: "figure",
    cell: ({ ours, theirs }) => <strong>{decimalInDigits(subtractQuantity(ours, theirs))}</strong>,
  },
  { head: "Read", cell: ({ readAt }) => <When at={readAt} /> },
];

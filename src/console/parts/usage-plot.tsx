import type { UsageBucket } from "../../outbox/usage.ts";
import type { Column } from "./data-table.tsx";
import { Figure } from "./figure.tsx";
import { inDigits } from "./figures.ts";
import { PlottedTable } from "./plotted-table.tsx";
import { When } from "./when.tsx";

/** Usage by time, as a plot of bars; its table is what the plot is drawn from, and all there is without JavaScript. */
export function UsagePlot({ buckets, meter }: { buckets: readonly UsageBucket[]; meter: string }) {
  return (
    <PlottedTable plot="bars" unit={meter} caption={`Usage of ${meter}`} columns={columns} rows={buckets}>
      <figcaption class="small">{meter} by the time of its arrival, UTC</figcaption>
    </PlottedTable>
  );
}

const columns: Column<UsageBucket>[] = [
  { head: "From", kind: "name", cell: ({ start }) => <When at={start} /> },
  {
    head: "Used",
    kind: "figure",
    drawnIn: "--accent",
    cell: ({ quantity }) => <Figure value={quantity} shown={inDigits(quantity)} />,
  },
  { head: "Delivered", kind: "figure", cell: ({ delivered }) => inDigits(delivered) },
  { head: "Pending", kind: "figure", cell: ({ pending }) => inDigits(pending) },
  { head: "In doubt", kind: "figure", cell: ({ in_doubt: inDoubt }) => inDigits(inDoubt) },
  { head: "Rejected", kind: "figure", cell: ({ rejected }) => inDigits(rejected) },
];

import type { SensorBucket } from "../../intake/sensor-history.ts";
import type { Column } from "../parts/data-table.tsx";
import { Figure } from "../parts/figure.tsx";
import { inDigits } from "../parts/figures.ts";
import { PlottedTable } from "../parts/plotted-table.tsx";
import { When } from "../parts/when.tsx";

/** Active sensors over time, as a plot of bars over its table. */
export function SensorPlot({ buckets }: { buckets: readonly SensorBucket[] }) {
  if (buckets.length === 0) {
    return (
      <p class="empty">
        Its sensors were not counted in this time. They are counted while it has a Stripe customer and its
        status is billable.
      </p>
    );
  }
  return (
    <PlottedTable plot="bars" unit="active sensors" caption="Active sensors" columns={columns} rows={buckets}>
      <figcaption class="small">Active sensors at the last count of each, UTC</figcaption>
    </PlottedTable>
  );
}

const columns: Column<SensorBucket>[] = [
  { head: "From", kind: "name", cell: ({ start }) => <When at={start} /> },
  {
    head: "At its last count",
    kind: "figure",
    drawnIn: "--accent",
    cell: ({ latest }) => <Figure value={latest} shown={inDigits(latest)} />,
  },
  { head: "Most", kind: "figure", cell: ({ most }) => inDigits(most) },
  { head: "Fewest", kind: "figure", cell: ({ fewest }) => inDigits(fewest) },
];

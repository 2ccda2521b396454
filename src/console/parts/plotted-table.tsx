import type { Child } from "hono/jsx";
import { DataTable, type TableProps } from "./data-table.tsx";

type PlottedTableProps<Row> = Omit<TableProps<Row>, "hidesCaption"> & {
  plot: "bars" | "lines" | "stacked";
  unit: string;
  /** Tells the plots of one page apart, so that a table that was closed stays closed. */
  name?: string;
  /** The figcaption. */
  children: Child;
};

/** A plot that the browser draws from its table, which is all there is without JavaScript. */
export function PlottedTable<Row>({ plot, unit, name = "", children, ...table }: PlottedTableProps<Row>) {
  return (
    <figure class="plotted" data-plot={plot} data-unit={unit}>
      {children}
      <details open data-numbers={name}>
        <summary>The numbers</summary>
        <DataTable {...table} hidesCaption />
      </details>
    </figure>
  );
}

import type { Child } from "hono/jsx";

export type Column<Row> = {
  head: string;
  cell: (row: Row) => Child;
  /** `figure` stands to the right, `mono` is an id, `name` is what the row is about. */
  kind?: "figure" | "mono" | "name" | undefined;
  /** Of a column that is drawn: the style sheet's colour of its line. Each of its cells is a `Figure`. */
  drawnIn?: string | undefined;
};

export type TableProps<Row> = {
  caption: string;
  /** Where the heading above says the same. */
  hidesCaption?: boolean;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
};

/** A table that scrolls by itself where it is too wide, and on a phone is a card for each row. */
export function DataTable<Row>({ caption, hidesCaption = false, columns, rows }: TableProps<Row>) {
  return (
    <div class="table" tabindex={0} role="region" aria-label={caption}>
      <table>
        <caption class={hidesCaption ? "unseen" : undefined}>{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ head, kind, drawnIn }) => (
              <th scope="col" class={kind === "figure" ? kind : undefined} data-colour={drawnIn}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr>
              {columns.map(({ head, cell, kind }) =>
                kind === "name" ? (
                  <th scope="row">{cell(row)}</th>
                ) : (
                  <td class={kind} data-label={head}>
                    {cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What stands where there is nothing to say; on a phone the card leaves it out. */
export function None() {
  return <span class="none nothing">–</span>;
}

/** The values of a cell; null shows as a dash. */
export type Cell = string | number | null;

/** Rows under headings, in columns as wide as they need to be. */
export function textTable(headings: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return aligned([headings, ...rows]);
}

/** Names and their values, one pair a line. */
export function textFields(fields: readonly (readonly [string, Cell])[]): string {
  return aligned(fields);
}

function aligned(rows: readonly (readonly Cell[])[]): string {
  const lines = rows.map((row) => row.map(cellText));
  const widths = lines.reduce<number[]>(
    (widest, line) => line.map((text, column) => Math.max(widest[column] ?? 0, text.length)),
    [],
  );
  return lines
    .map((line) =>
      line
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

// Texts from outside, Stripe's above all, must not move the cursor of a terminal.
function cellText(cell: Cell): string {
  return cell === null ? "-" : String(cell).replaceAll(/\p{Cc}+/gu, " ");
}

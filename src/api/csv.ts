/** A number, or a text that a person wrote. */
export type CsvCell = string | number | null;

/** Lines of CSV as RFC 4180 writes them; null becomes an empty field. */
export function csvLines(rows: readonly (readonly CsvCell[])[]): string {
  return rows.map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");
}

/** Whether an `Accept` header asks for CSV. */
export function asksForCsv(accept: string | undefined): boolean {
  return /(^|,)\s*text\/csv\s*(;|,|$)/i.test(accept ?? "");
}

function csvCell(cell: CsvCell): string {
  if (cell === null) return "";
  if (typeof cell === "number") return String(cell);
  const text = isFormula(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// A spreadsheet runs a text that begins in this way as a formula, also in a name that a customer chose; an apostrophe
// makes it text. The full-width forms count in some languages.
function isFormula(text: string): boolean {
  return /^[\s'"]*[=+\-@\t\r＝＋－＠]/u.test(text);
}

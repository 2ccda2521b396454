import { type Comparison, isMet, ratioOf, type Skipped } from "./comparison.ts";
import { summarize } from "./statistics.ts";

const head = ["bench", "what", "unit", "ours", "against", "theirs", "ratio", "target", ""];
const isRight = [false, false, false, true, false, true, true, true, false];

/** A Markdown table of all comparisons: medians, with the lowest and the highest round behind them. */
export function renderTable(results: readonly (Comparison | Skipped)[]): string {
  const rows = [head, ...results.map(cellsOf)];
  const widths = head.map((_, column) => Math.max(3, ...rows.map((cells) => (cells[column] ?? "").length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => pad(cell, widths[column] ?? 0, isRight[column] ?? false)).join(" | ")} |`;
  const rule = widths.map((width, column) =>
    isRight[column] === true ? `${"-".repeat(width - 1)}:` : "-".repeat(width),
  );
  return [line(head), `| ${rule.join(" | ")} |`, ...results.map((result) => line(cellsOf(result)))].join(
    "\n",
  );
}

function cellsOf(result: Comparison | Skipped): string[] {
  if ("skipped" in result) {
    return [result.bench, result.what, "", "", result.peer, "", "", "", `skipped: ${result.skipped}`];
  }
  const { bench, what, unit, ours, peer, theirs, target } = result;
  const met = isMet(result);
  return [
    bench,
    what,
    unit,
    renderRounds(ours),
    peer,
    renderRounds(theirs),
    renderRatio(ratioOf(result)),
    target === undefined ? "" : `${target.ratio === "at least" ? "≥" : "≤"} ${renderRatio(target.value)}`,
    met === undefined ? "" : met ? "ok" : "missed",
  ];
}

function renderRounds(figures: readonly number[]): string {
  const { median, min, max } = summarize(figures);
  return figures.length === 1
    ? renderFigure(median)
    : `${renderFigure(median)} (${renderFigure(min)}–${renderFigure(max)})`;
}

/** Three significant digits are more than a bench can promise; whole thousands are easier to read with their comma. */
export function renderFigure(figure: number): string {
  if (Math.abs(figure) >= 1_000) return Math.round(Number(figure.toPrecision(3))).toLocaleString("en-US");
  return String(Number(figure.toPrecision(3)));
}

/** Two digits behind the point are as much as a ratio can promise. */
export function renderRatio(ratio: number): string {
  return ratio >= 100 ? ratio.toFixed(0) : ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2);
}

function pad(cell: string, width: number, toTheRight: boolean): string {
  return toTheRight ? cell.padStart(width) : cell.padEnd(width);
}

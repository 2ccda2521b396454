import { isSettled, type BillLine } from "./bill.ts";

const columnGap = "  ";

/** Writes the bill as a table with a line of totals: first the readings, then the sensors. */
export function renderBill(lines: readonly BillLine[]): string {
  const header = [
    "organization",
    "sent",
    "duplicates",
    "stored",
    "entries",
    "billed",
    "difference",
    "sensors",
    "billed",
  ];
  const texts = aligned([header, ...lines.map(cellsOf), cellsOf(totalOf(lines))]);
  const rule = ruleUnder(texts);
  return [texts[0], rule, ...texts.slice(1, -1), rule, texts.at(-1)].join("\n");
}

/** Writes rows as a table: a name, then amounts. */
export function textTable(
  header: readonly string[],
  rows: readonly (readonly (string | bigint)[])[],
): string {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === "bigint" ? grouped(cell) : cell)));
  const texts = aligned([header, ...cells]);
  return [texts[0], ruleUnder(texts), ...texts.slice(1)].join("\n");
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join(columnGap));
}

function ruleUnder([header = ""]: readonly string[]): string {
  return "─".repeat(header.length);
}

/** All lines added up. */
function totalOf(lines: readonly BillLine[]): BillLine {
  const sum = (amount: (line: BillLine) => bigint) => lines.reduce((total, line) => total + amount(line), 0n);
  return {
    organization: "total",
    readings: sum(({ readings }) => readings),
    sent: sum(({ sent }) => sent),
    duplicates: sum(({ duplicates }) => duplicates),
    stored: sum(({ stored }) => stored),
    entered: sum(({ entered }) => entered),
    billed: sum(({ billed }) => billed),
    sensors: sum(({ sensors }) => sensors),
    billedSensors: sum(({ billedSensors }) => billedSensors),
  };
}

function cellsOf(line: BillLine): string[] {
  const { sent, duplicates, stored, entered, billed, readings, sensors, billedSensors } = line;
  const amounts = [sent, duplicates, stored, entered, billed, readings - billed, sensors, billedSensors];
  return [line.organization, ...amounts.map(grouped)];
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

function grouped(amount: bigint): string {
  return amount.toLocaleString("en-US");
}

/** How the demo ended: with a bill, or before there was one. */
export type DemoOutcome =
  | { bill: readonly BillLine[]; areStatementsEqual?: boolean }
  | { organizations: number; readings: number };

/** Whether every organization's bill equals its readings and its sensors, and its statement shows no difference. */
export function isOk(outcome: DemoOutcome): boolean {
  if (!("bill" in outcome) || outcome.bill.length === 0) return false;
  return outcome.bill.every(isSettled) && outcome.areStatementsEqual !== false;
}

/** The demo's last line, for people and for tests. */
export function verdictLine(outcome: DemoOutcome): string {
  if (!("bill" in outcome)) {
    const { organizations, readings } = outcome;
    return `demo: failed organizations=${organizations} readings=${readings} billed=unknown difference=unknown`;
  }
  const { readings, billed } = totalOf(outcome.bill);
  const word = isOk(outcome) ? "ok" : "failed";
  const fields = `organizations=${outcome.bill.length} readings=${readings} billed=${billed}`;
  return `demo: ${word} ${fields} difference=${readings - billed}`;
}

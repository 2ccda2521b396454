/** A fenced block: ` ```sh not-run="…" ` has the language `sh` and the note `not-run`. */
export type Fence = {
  language: string;
  notes: Record<string, string>;
  text: string;
  /** Of its first line of text, from 1. */
  line: number;
};

/** A document's fenced blocks, in order. Throws where one is never closed or its notes are not `name="value"`. */
export function readFences(markdown: string): Fence[] {
  const fences: Fence[] = [];
  let open: Fence | undefined;
  for (const [index, line] of markdown.split("\n").entries()) {
    const info = line.match(/^```(.*)$/)?.[1];
    if (open !== undefined && info === "") {
      fences.push(open);
      open = undefined;
    } else if (open !== undefined) {
      open.text += `${line}\n`;
    } else if (info !== undefined) {
      const [language = "", ...notes] = info.split(/ (?=[\w-]+=")/);
      open = { language, notes: Object.fromEntries(notes.map(readNote)), text: "", line: index + 2 };
    }
  }
  if (open !== undefined) throw new Error(`the block of line ${open.line} is never closed`);
  return fences;
}

function readNote(note: string): [string, string] {
  const [, name, value] = note.match(/^([\w-]+)="([^"]*)"$/) ?? [];
  if (name === undefined || value === undefined) throw new Error(`${note} is not a note, name="value"`);
  return [name, value];
}

/** The rows of all tables whose first column has this heading; each row by its columns' headings. */
export function readTableRows(markdown: string, firstHeading: string): Record<string, string>[] {
  const rows: Record<string, string>[] = [];
  let headings: string[] | undefined;
  for (const line of markdown.split("\n")) {
    const cells = readCells(line);
    if (cells === undefined) headings = undefined;
    else if (headings === undefined) headings = cells;
    else if (headings[0] === firstHeading && !/^:?-+:?$/.test(cells[0] ?? "")) {
      rows.push(Object.fromEntries(headings.map((heading, column) => [heading, cells[column] ?? ""])));
    }
  }
  return rows;
}

function readCells(line: string): string[] | undefined {
  if (!line.startsWith("|")) return undefined;
  return line
    .replace(/^\|/, "")
    .replace(/\|\s*$/, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}

import { meterEventStates } from "../../delivery/meter-event-states.ts";
import { readFileSync } from "node:fs";

/** The contract that users and deployments may rely on. */
export const contract = readFileSync(new URL("../../../docs/contract.md", import.meta.url), "utf8");

/** The text below a heading, up to the next of its level or above. Throws when there is none. */
export function sectionOf(text: string, heading: string): string {
  const level = heading.split(" ")[0]?.length ?? 0;
  const [, rest] = text.split(`\n${heading}\n`);
  if (rest === undefined) throw new Error(`the contract has no ${heading}`);
  return rest.split(new RegExp(`\\n#{1,${level}} `))[0] ?? "";
}

/** The rows of a section's table, each as its cells, without the head. */
export function rowsOf(section: string): string[][] {
  const lines = section.split("\n").filter((line) => line.startsWith("|"));
  // A bar inside a cell is escaped.
  const cells = (line: string) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("\\|", "|"));
  return lines.slice(2).map(cells);
}

/** The texts in backticks. */
export function quotedIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, quoted = ""]) => quoted);
}

/** One HTTP call of the contract. */
export type PromisedCall = {
  method: string;
  path: string;
  /** Names of query parameters. */
  query: string[];
  token: "adminToken" | "apiKey" | undefined;
  /** Members of the body, as `name` or `name?`. */
  body: string[];
  /** Statuses that the row names, or 200; every one belongs to at least one call of the row. */
  statuses: number[];
  /** Members that an answer of the row has, at any depth. */
  members: string[];
  row: string;
};

const tokens: Record<string, PromisedCall["token"]> = { A: "adminToken", K: "apiKey" };

/** The calls of a row of the table of HTTP calls. */
export function callsOf([calls = "", token = "", answer = ""]: readonly string[]): PromisedCall[] {
  const found: PromisedCall[] = [];
  const statuses = statusesIn(answer);
  for (const quoted of quotedIn(calls)) {
    if (quoted.startsWith("{")) {
      const last = found.at(-1);
      if (last !== undefined) last.body = topMembersOf(quoted);
      continue;
    }
    const [method = "", target = ""] = quoted.split(" ");
    for (const full of variantsOf(target, found.at(-1)?.path ?? "")) {
      const [path = "", search = ""] = full.split("?");
      found.push({
        method,
        path,
        query: search === "" ? [] : search.split("&").map((pair) => pair.split("=")[0] ?? ""),
        token: tokens[token],
        body: [],
        statuses: statuses.length === 0 ? [200] : statuses,
        members: quotedIn(answer).flatMap(membersOf),
        row: calls,
      });
    }
  }
  return found;
}

/** The statuses that a text names, each once, in order. */
export function statusesIn(text: string): number[] {
  const named = text.matchAll(/(?<![\d,])[2-5]\d\d(?!\.?\d)/g);
  return [...new Set([...named].map(([status]) => Number(status)))].toSorted((a, b) => a - b);
}

/** `/a[/{id}]` is two paths, and `…/b` stands below the path before. */
function variantsOf(target: string, before: string): string[] {
  const base = before.replace(/\/[^/]*$/, "");
  const whole = target.startsWith("…") ? `${base}${target.slice(1)}` : target;
  const optional = /\[([^\]]+)\]/.exec(whole);
  if (optional === null) return [whole];
  return [whole.replace(optional[0], ""), whole.replace(optional[0], optional[1] ?? "")];
}

/** The members of the outermost object, `name` or `name?`. */
export function topMembersOf(shape: string): string[] {
  const value = String.raw`(?:\[\{[^}]*\}\]|\{[^}]*\}|"[^"]*")`;
  const flat = shape
    .slice(1, -1)
    .replaceAll(new RegExp(String.raw`:\s*${value}(?:\s*\|\s*${value})*`, "g"), "");
  return flat.split(",").map((member) => member.trim());
}

/** The members that a shape names, at any depth. */
function membersOf(shape: string): string[] {
  // A span of time, as [from, to), is no shape.
  if (!/^(\w+: )?[{[].*[}\]]$/.test(shape)) return [];
  const named = [...shape.matchAll(/(?:^|[{,[]\s*)([a-z_]+)(?=\s*[:,}?])/g)].map(([, name = ""]) => name);
  // `{state: {count, quantity}}` has a member for each state of a meter event, and none of that name.
  return /\{state: \{/.test(shape)
    ? [...named.filter((name) => name !== "state"), ...meterEventStates]
    : named;
}

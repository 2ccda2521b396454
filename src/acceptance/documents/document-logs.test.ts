import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { readTableRows } from "./markdown.ts";
import { readDocument } from "./read-document.ts";

/** The levels of every event, sorted; by the event's name. */
type Events = Record<string, string[]>;

test("docs/logs.md lists every log event with its levels, and no other", async () => {
  const documented = readTableRows(await readDocument("docs/logs.md"), "event");
  const named = documented.map(({ event = "", level = "" }) => [nameIn(event), level.split(", ").toSorted()]);
  expect(Object.fromEntries(named)).toEqual(eventsOf(await readSources()));
  expect(named).toHaveLength(new Set(named.map(([name]) => name)).size);
});

test("no log call hides its event's name", async () => {
  const source = await readSources();
  // Lines that the tracer's logger passes on were named by its callers.
  const calls = source.match(/\blog(?:\.(?:debug|info|warn|error)|\[[^\]]*\])\((?!named\(fields\))/g) ?? [];
  expect(calls).toHaveLength(loggedIn(source).length);
});

test.each([
  ['log.warn({ event: "a", b })', { a: ["warn"] }],
  ['deps.log.info({\n  event: "a",\n})', { a: ["info"] }],
  ['log[isQuiet ? "debug" : "info"]({ event: "a" })', { a: ["debug", "info"] }],
  ['log.warn({ event: "a" }); log.error({ event: "a" })', { a: ["error", "warn"] }],
])("%j logs %j", (source, events) => {
  expect(eventsOf(source)).toEqual(events);
});

function eventsOf(source: string): Events {
  const levels = new Map<string, Set<string>>();
  for (const { name, of } of loggedIn(source))
    levels.set(name, new Set([...(levels.get(name) ?? []), ...of]));
  return Object.fromEntries([...levels].map(([name, of]) => [name, [...of].toSorted()]));
}

function loggedIn(source: string): { name: string; of: string[] }[] {
  const calls = source.matchAll(
    /\blog(?:\.(debug|info|warn|error)|\[[^\]]*\? "(\w+)" : "(\w+)"\])\(\s*\{\s*event: "(\w+)"/g,
  );
  return [...calls].map(([, level, first, second, name = ""]) => ({
    name,
    of: [level, first, second].filter((one) => one !== undefined),
  }));
}

function nameIn(cell: string): string {
  return cell.replaceAll("`", "");
}

/** The files of the service's processes. The simulator and the tests' own tools write other lines. */
async function readSources(): Promise<string> {
  const root = new URL("../..", import.meta.url);
  const paths = (await readdir(root, { recursive: true })).filter(
    (path) => /\.tsx?$/.test(path) && !path.endsWith(".test.ts") && !/^(?:testing|simulator)\b/.test(path),
  );
  return (await Promise.all(paths.map((path) => readFile(new URL(path, root), "utf8")))).join("\n");
}

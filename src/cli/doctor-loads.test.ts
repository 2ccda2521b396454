import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

/** They take most of a second to load, and looking for faults needs none of them. */
const heavy = ["pg-boss", "hono", "@hono/zod-openapi", "@hono/node-server", "@opentelemetry/api"];

test("doctor loads what it needs, and no server and no queue", async () => {
  const loaded = await packagesLoadedBy(["../cli.ts", "./cli-process.ts", "./doctor-command.ts"]);
  expect(loaded).toContain("kysely");
  expect(loaded.filter((name) => heavy.includes(name))).toEqual([]);
});

/** The packages that these files import at once, with all the files that they import at once. */
async function packagesLoadedBy(entries: readonly string[]): Promise<string[]> {
  const waiting = entries.map((entry) => new URL(entry, import.meta.url).href);
  const seen = new Set(waiting);
  const packages = new Set<string>();
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    for (const name of importsIn(await readFile(new URL(file), "utf8"))) {
      if (!name.startsWith(".")) packages.add(name);
      const href = name.startsWith(".") ? new URL(name, file).href : file;
      if (!seen.has(href)) waiting.push(href);
      seen.add(href);
    }
  }
  return [...packages];
}

/** Without those of types alone. */
function importsIn(text: string): string[] {
  const statements = text.matchAll(/^(?:import|export)\s+(type\s)?(?:([\w*{}\s,$]+?)\sfrom\s+)?"([^"]+)"/gm);
  return [...statements]
    .filter(([, type, names = ""]) => type === undefined && !/^\{(?:\s*type\s+\w+\s*,?)+\s*\}$/.test(names))
    .map(([, , , name = ""]) => name);
}

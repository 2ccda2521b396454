import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { readTableRows } from "./markdown.ts";
import { readDocument } from "./read-document.ts";

const rooms = new URL("../..", import.meta.url);

test("docs/api.md lists every problem that the API may answer with, and no other", async () => {
  const documented = readTableRows(await readDocument("docs/api.md"), "status").flatMap(
    ({ status, code = "" }) => code.split(", ").map((name) => `${status} ${name.replaceAll("`", "")}`),
  );
  const source = await readSources();
  const written = source.matchAll(/status: (\d{3}),\s*code: "(\w+)"/g);
  const thrown = new Set([...written].map(([, status, code]) => `${status} ${code}`));
  expect([...thrown].filter((problem) => !documented.includes(problem))).toEqual([]);
  const unwritten = documented.filter((problem) => !thrown.has(problem));
  expect(unwritten.filter((problem) => !source.includes(`"${problem.slice(4)}"`))).toEqual([]);
});

async function readSources(): Promise<string> {
  const paths = (await readdir(rooms, { recursive: true })).filter(
    (path) =>
      path.endsWith(".ts") && !path.endsWith(".test.ts") && !/^(?:testing|simulator|stripe)\b/.test(path),
  );
  return (await Promise.all(paths.map((path) => readFile(new URL(path, rooms), "utf8")))).join("\n");
}

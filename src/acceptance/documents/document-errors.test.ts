import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { readTableRows } from "./markdown.ts";
import { readDocument } from "./read-document.ts";

const rooms = new URL("../..", import.meta.url);

test("docs/api.md lists every problem that the API may answer with, and no other", async () => {
  const documented = readTableRows(await readDocument("docs/api.md"), "status").flatMap(
    ({ status, code = "" }) => code.split(", ").map((name) => `${status} ${name.replaceAll("`", "")}`),
  );
  const written = (await readSources()).matchAll(/status: (\d{3}),\s*code: "(\w+)"/g);
  const thrown = [...written].map(([, status, code]) => `${status} ${code}`);
  expect(documented.toSorted()).toEqual([...new Set(thrown)].toSorted());
});

async function readSources(): Promise<string> {
  const paths = (await readdir(rooms, { recursive: true })).filter(
    (path) =>
      /\.tsx?$/.test(path) &&
      !path.endsWith(".test.ts") &&
      !/^(?:acceptance|testing|simulator|stripe|console)\b/.test(path),
  );
  return (await Promise.all(paths.map((path) => readFile(new URL(path, rooms), "utf8")))).join("\n");
}

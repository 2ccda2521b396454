import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { readTableRows } from "./markdown.ts";
import { readDocument } from "./read-document.ts";

const source = new URL("../../", import.meta.url);

test("docs/scale-out.md names every test that does not run on a cluster, and why", async () => {
  const rows = readTableRows(await readDocument("docs/scale-out.md"), "suite");
  const told = rows.map(
    (row) => `${(row["suite"] ?? "").replaceAll("`", "")}: ${row["not on a cluster, because"]}`,
  );

  const paths = await readdir(source, { recursive: true });
  const written = await Promise.all(
    paths
      .filter((path) => path.endsWith(".db.test.ts"))
      .map(async (path) => reasonsIn(path, await readFile(new URL(path, source), "utf8"))),
  );
  expect(told.toSorted()).toEqual(written.flat().toSorted());
});

/** Each reason once for its file. Throws where one is not written as a plain text. */
function reasonsIn(path: string, text: string): string[] {
  const reasons = [...text.matchAll(/localOnly\(\s*"([^"]*)",?\s*\)/g)].map(([, reason]) => reason);
  const calls = text.split("localOnly(").length - 1;
  if (reasons.length !== calls) throw new Error(`${path} has a reason that is not a plain text`);
  return [...new Set(reasons)].map((reason) => `src/${path}: ${reason}`);
}

import { expect, test } from "vitest";
import { readTableRows } from "./markdown.ts";
import { readDocument } from "./read-document.ts";

test("docs/command-line.md tells of each check of doctor once", async () => {
  const rows = readTableRows(await readDocument("docs/command-line.md"), "check");
  const checks = rows.flatMap(({ check = "" }) => check.split(", "));
  expect(checks).toContain("`writable`");
  expect(checks).toEqual([...new Set(checks)]);
});

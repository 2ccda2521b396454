import { expect, test } from "vitest";
import { asksForCsv, csvLines } from "./csv.ts";

test("numbers and plain text stand as they are, and null is nothing", () => {
  expect(csvLines([["Acme", 1, null, -2]])).toBe("Acme,1,,-2\r\n");
});

test.for([
  ['a "b"', '"a ""b"""'],
  ["a,b", '"a,b"'],
  ["a\nb", '"a\nb"'],
  ["株式会社 🧊", "株式会社 🧊"],
] as const)("%j is written %j", ([cell, written]) => {
  expect(csvLines([[cell]])).toBe(`${written}\r\n`);
});

test.for([
  "=1+1",
  "+1",
  "-1",
  "@sum(1)",
  "\t=1",
  " =1",
  '"=1',
  "'=1",
  "＝1",
  "＠a",
  "=cmd|' /C calc'!A0",
  '=HYPERLINK("https://x","y")',
])("%j is no formula in a spreadsheet", (name) => {
  expect(csvLines([[name]]).replace(/^"/, "")).toMatch(/^'/);
});

test.for([
  ["text/csv", true],
  ["text/csv; header=present", true],
  ["application/json, TEXT/CSV;q=0.5", true],
  ["text/csvx", false],
  ["*/*", false],
  [undefined, false],
] as const)("Accept: %s asks for CSV: %s", ([accept, asks]) => {
  expect(asksForCsv(accept)).toBe(asks);
});

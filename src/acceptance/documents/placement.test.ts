import { expect, test } from "vitest";
import { placement } from "../../database/placement.ts";
import { readTableRows } from "./markdown.ts";
import { readDocument } from "./read-document.ts";

test("docs/scale-out.md names where a cluster keeps each table", async () => {
  const rows = readTableRows(await readDocument("docs/scale-out.md"), "table");
  const told = (where: string) =>
    rows.filter((row) => row["where"] === where).map((row) => (row["table"] ?? "").replaceAll("`", ""));

  expect(told("distributed")).toEqual(placement.distributed);
  expect(told("every node")).toEqual(placement.reference);
  expect(told("coordinator")).toEqual(placement.local);
});

import { expect, test } from "vitest";
import { textFields, textTable } from "./text-table.ts";

test("columns are as wide as their widest cell", () => {
  expect(
    textTable(
      ["ID", "NAME"],
      [
        ["a-long-id", "x"],
        ["b", null],
      ],
    ),
  ).toBe("ID         NAME\na-long-id  x\nb          -");
});

test("what others wrote cannot move a terminal's cursor", () => {
  expect(textFields([["error", "\u001b[2Jgone\nfor good"]])).toBe("error   [2Jgone for good");
});

import { expect, test } from "vitest";
import { encodeCursor } from "./cursor.ts";
import { pageQuery, toPage } from "./page.ts";

const keyOf = (row: string) => [row];

test("a page that is not the last names the next one by its own last row", () => {
  expect(toPage(["a", "b", "c"], 2, keyOf)).toEqual({ data: ["a", "b"], next_cursor: encodeCursor(["b"]) });
});

test("the last page names no next one, even when it is full", () => {
  expect(toPage(["a", "b"], 2, keyOf)).toEqual({ data: ["a", "b"], next_cursor: null });
  expect(toPage([], 2, keyOf)).toEqual({ data: [], next_cursor: null });
});

test("a page has 100 rows unless another limit up to 500 is asked for", () => {
  expect(pageQuery.parse({}).limit).toBe(100);
  expect(pageQuery.parse({ limit: "500" }).limit).toBe(500);
});

test.for(["x", ["1", "2"], "0", "501"])("the answer to the limit %j says what a limit must be", (limit) => {
  const message = "must be one whole number from 1 to 500";
  expect(pageQuery.safeParse({ limit }).error?.issues).toMatchObject([{ path: ["limit"], message }]);
});

test.for(["0", "501", "-1", "1.5", "x", "", "0x10", "1e2", " 5", "+5"])(
  "a limit of %j is refused",
  (limit) => {
    expect(pageQuery.safeParse({ limit }).success).toBe(false);
  },
);

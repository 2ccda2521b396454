import { expect, test } from "vitest";
import { listPage } from "./list.ts";

const items = ["a", "b", "c"].map((id) => ({ id }));

test.each([
  [{ limit: "3" }, ["a", "b", "c"], false],
  [{ limit: "2" }, ["a", "b"], true],
  [{ starting_after: "a", limit: "1" }, ["b"], true],
  [{ starting_after: "a", limit: "2" }, ["b", "c"], false],
  [{ starting_after: "c" }, [], false],
  [{ ending_before: "c", limit: "1" }, ["b"], true],
  [{ ending_before: "c", limit: "2" }, ["a", "b"], false],
])("the page for %j holds %j, and more follows: %s", (query, ids, hasMore) => {
  expect(listPage(items, query, "/v1/things").body).toEqual({
    object: "list",
    data: ids.map((id) => ({ id })),
    has_more: hasMore,
    url: "/v1/things",
  });
});

test.each([
  { limit: "0" },
  { limit: "101" },
  { limit: "ten" },
  { starting_after: "unknown" },
  { starting_after: "a", ending_before: "c" },
])("%j is refused with 400", (query) => {
  expect(listPage(items, query, "/v1/things").status).toBe(400);
});

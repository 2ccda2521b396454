import { expect, test } from "vitest";
import { createLastPages } from "./last-pages.ts";

const at = new Date(0);

test("a page is kept as it was shown last", () => {
  const pages = createLastPages();
  pages.keep("a", { main: "old", at });
  pages.keep("a", { main: "new", at });
  expect(pages.find("a")).toEqual({ main: "new", at });
  expect(pages.find("b")).toBeUndefined();
});

test("the page that was shown longest ago is forgotten first, by number and by size", () => {
  const pages = createLastPages({ pagesMax: 2, charsMax: 10 });
  for (const name of ["a", "b"]) pages.keep(name, { main: name, at });
  pages.keep("a", { main: "a", at });
  pages.keep("c", { main: "c", at });
  expect(["a", "b", "c"].filter((name) => pages.find(name) !== undefined)).toEqual(["a", "c"]);
  pages.keep("d", { main: "x".repeat(10), at });
  expect(["a", "c", "d"].filter((name) => pages.find(name) !== undefined)).toEqual(["d"]);
  pages.keep("e", { main: "x".repeat(11), at });
  expect(["d", "e"].filter((name) => pages.find(name) !== undefined)).toEqual([]);
});

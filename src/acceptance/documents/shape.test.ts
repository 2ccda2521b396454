import { expect, test } from "vitest";
import { differentMembers } from "./shape.ts";

test.each([
  ["the same members with other values", { a: 1, b: [{ c: 2 }] }, { a: 3, b: [{ c: 4 }, { c: 5 }] }, []],
  ["a member too many and one too few", { a: 1, b: { c: 1 } }, { b: { d: 1 } }, ["-.a", "-.b.c", "+.b.d"]],
  ["a null in either", { a: null, b: { c: 1 } }, { a: { x: 1 }, b: null }, []],
  ["a list that only the answer has elements in", { a: [{ rows: [] }] }, { a: [{ rows: [{ c: 1 }] }] }, []],
  [
    "a list that is empty in one element",
    { a: [{ r: [] }, { r: [{ c: 1 }] }] },
    { a: [{ r: [{ d: 1 }] }] },
    ["-.a[].r[].c", "+.a[].r[].d"],
  ],
  ["a list that only the document has elements in", { a: [{ c: 1 }] }, { a: [] }, ["-.a[]", "-.a[].c"]],
  ["an empty list and no list", { a: [] }, {}, ["-.a"]],
  ["a null that only one of the two has", { a: null, c: 1 }, { b: null, c: 1 }, ["-.a", "+.b"]],
])("%s", (_, document, answer, different) => {
  expect(differentMembers(document, answer)).toEqual(different);
});

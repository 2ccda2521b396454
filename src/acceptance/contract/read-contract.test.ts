import { expect, test } from "vitest";
import { callsOf, rowsOf, sectionOf, statusesIn, topMembersOf } from "./read-contract.ts";

test("a section ends at the next heading of its level, and its table has rows of cells", () => {
  const text = "x\n## One\n\n| a | b |\n|---|---|\n| `x\\|y` | 2 |\n### Below\n\n## Two\n\n| c |\n";
  const section = sectionOf(text, "## One");
  expect(section).toContain("### Below");
  expect(rowsOf(section)).toEqual([["`x|y`", "2"]]);
  expect(() => sectionOf(text, "## Three")).toThrow("no ## Three");
});

test("a row of calls is every call that it names, with token, query, body, statuses and members", () => {
  const calls = callsOf([
    "`GET /v1/a/{id}/b`, `DELETE …/b/{b_id}` `{name?, list: [{id}]}`",
    "A",
    "200 `{data, next: {at}}` / 204",
  ]);
  expect(calls.map(({ method, path }) => `${method} ${path}`)).toEqual([
    "GET /v1/a/{id}/b",
    "DELETE /v1/a/{id}/b/{b_id}",
  ]);
  expect(calls[1]).toMatchObject({
    token: "adminToken",
    body: ["name?", "list"],
    statuses: [200, 204],
    members: ["data", "next", "at"],
  });
  expect(callsOf(["`GET /v1/a[/{id}]?x&y=1|2`", "K", ""])).toHaveLength(2);
  expect(callsOf(["`GET /v1/a?x&y=1|2`", "K", "up to 1,000"])[0]).toMatchObject({
    query: ["x", "y"],
    statuses: [200],
    token: "apiKey",
  });
});

test("the members of a body are the outermost ones", () => {
  expect(topMembersOf('{state: "rejected", meter?, organization_id?}')).toEqual([
    "state",
    "meter?",
    "organization_id?",
  ]);
});

test("statuses are told from amounts and temperatures", () => {
  expect(
    statusesIn("Some: 422, or 200. At most 1,000 readings (NDJSON: 100,000), ≥ −273.15. Large: 413."),
  ).toEqual([200, 413, 422]);
});

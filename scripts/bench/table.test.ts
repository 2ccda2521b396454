import { expect, test } from "vitest";
import { renderFigure, renderTable } from "./table.ts";

test("the table is Markdown, with medians, spread and what became of the target", () => {
  const table = renderTable([
    {
      bench: "intake-batch",
      what: "batches",
      unit: "readings/s",
      ours: [48_120, 51_000, 50_000],
      peer: "bare",
      theirs: [50_000],
      target: { ratio: "at least", value: 0.9 },
    },
    { bench: "intake-single", what: "single", unit: "ms", ours: [3], peer: "none", theirs: [1.234] },
    { bench: "intake-single", what: "single", peer: "BullMQ", skipped: "no redis-server" },
  ]);
  expect(table.split("\n")).toEqual([
    "| bench         | what    | unit       |                   ours | against | theirs | ratio | target |                          |",
    "| ------------- | ------- | ---------- | ---------------------: | ------- | -----: | ----: | -----: | ------------------------ |",
    "| intake-batch  | batches | readings/s | 50,000 (48,100–51,000) | bare    | 50,000 |  1.00 | ≥ 0.90 | ok                       |",
    "| intake-single | single  | ms         |                      3 | none    |   1.23 |  2.43 |        |                          |",
    "| intake-single | single  |            |                        | BullMQ  |        |       |        | skipped: no redis-server |",
  ]);
});

test("a missed target is said plainly", () => {
  const result = { bench: "intake-batch" as const, what: "", unit: "", ours: [1], peer: "", theirs: [2] };
  expect(renderTable([{ ...result, target: { ratio: "at least", value: 0.9 } }])).toContain("missed");
});

test.each([
  [123_456, "123,000"],
  [999.6, "1000"],
  [12.345, "12.3"],
  [0.01234, "0.0123"],
])("%d is shown as %s", (figure, text) => {
  expect(renderFigure(figure)).toBe(text);
});

import { expect, test } from "vitest";
import { keepEnd } from "./kept-end.ts";

test("a text within the limit is kept whole", () => {
  const kept = keepEnd(10);
  for (const piece of ["abcd", "efgh", "ij"]) kept.add(piece);
  expect(kept.read()).toBe("abcdefghij");
});

test("of a longer text at least half of the limit is kept, and its end in any case", () => {
  const kept = keepEnd(1_000);
  let all = "";
  for (let n = 0; n < 5_000; n += 1) {
    const piece = `line ${n}\n`;
    kept.add(piece);
    all += piece;
    const read = kept.read();
    expect(all.endsWith(read)).toBe(true);
    expect(read.length).toBeGreaterThanOrEqual(Math.min(all.length, 500));
    expect(read.length).toBeLessThanOrEqual(1_000 + 2 * piece.length);
  }
});

test("an empty text is empty", () => {
  expect(keepEnd(10).read()).toBe("");
});

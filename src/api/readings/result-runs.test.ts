import { expect, test } from "vitest";
import type { ReadingResult } from "../../intake/accept-readings.ts";
import { heldBytesOf } from "./result-bytes.ts";
import { documentPieces, linesPiece } from "./result-pieces.ts";
import { addRun, foldResults, type ResultRun } from "./result-runs.ts";

const duplicate = (index: number): ReadingResult => ({
  index,
  status: "duplicate",
  code: "duplicate",
  detail: "stored before",
});
const faulty = (index: number): ReadingResult => ({
  index,
  status: "rejected",
  code: "invalid",
  detail: "/a is not known",
  errors: [{ pointer: "/a", code: "unknown_field", detail: "is not known" }],
});
const results = [duplicate(0), duplicate(1), faulty(3), faulty(4), duplicate(5), duplicate(7)];

function chunk(first: number) {
  return foldResults({ accepted: 2, duplicates: 4, rejected: 2, results }, first);
}

test("results in a row that are alike are one run, and each is told with its index", () => {
  const { runs, ...counts } = chunk(0);
  expect(runs.map(({ first, count }) => [first, count])).toEqual([
    [0, 2],
    [3, 1],
    [4, 1],
    [5, 1],
    [7, 1],
  ]);
  expect(JSON.parse([...documentPieces(counts, runs)].join(""))).toEqual({ ...counts, results });
});

test("each reading of a chunk has its line, accepted ones too", () => {
  const lines = linesPiece(chunk(1_000), 1_000).trimEnd().split("\n");
  const told = results.map((result) => ({ ...result, index: 1_000 + result.index }));
  const accepted = [2, 6].map((offset) => ({ index: 1_000 + offset, status: "accepted" }));
  expect(lines.map((line): unknown => JSON.parse(line))).toEqual(
    [...told, ...accepted].toSorted((one, other) => one.index - other.index),
  );
});

test("a hundred thousand results that are alike are kept as one, over the bounds of chunks", () => {
  const runs: ResultRun[] = [];
  for (let first = 0; first < 100_000; first += 1_000) {
    const alike = Array.from({ length: 1_000 }, (_, index) => duplicate(index));
    const { runs: more } = foldResults(
      { accepted: 0, duplicates: 1_000, rejected: 0, results: alike },
      first,
    );
    for (const run of more) addRun(runs, run);
  }
  expect(runs).toHaveLength(1);
  expect(heldBytesOf(runs)).toBeLessThan(1_000);
  const { results: told } = JSON.parse([...documentPieces({ duplicates: 100_000 }, runs)].join("")) as {
    results: ReadingResult[];
  };
  expect([told.length, told.at(-1)]).toEqual([100_000, duplicate(99_999)]);
});

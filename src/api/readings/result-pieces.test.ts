import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { addRun, type IntakeResult, type ReadingResult, type ResultRun } from "../../intake/result-runs.ts";
import { heldBytesOf } from "./result-bytes.ts";
import { documentPieces, linesPiece, streamOf } from "./result-pieces.ts";

const duplicate: ReadingResult = { status: "duplicate", code: "duplicate", detail: "stored before" };
const faulty: ReadingResult = {
  status: "rejected",
  code: "invalid",
  detail: "/a is not known",
  errors: [{ pointer: "/a", code: "unknown_field", detail: "is not known" }],
};
const results = [
  { index: 0, ...duplicate },
  { index: 1, ...duplicate },
  { index: 3, ...faulty },
  { index: 4, ...faulty },
  { index: 5, ...duplicate },
  { index: 7, ...duplicate },
];

function chunk(first: number): IntakeResult {
  const runs: ResultRun[] = [];
  for (const { index, ...result } of results) addRun(runs, { first: first + index, count: 1, result });
  return { accepted: 2, duplicates: 4, rejected: 2, runs };
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

test("a hundred thousand results that are alike are held as one, and told one by one", () => {
  const runs: ResultRun[] = [];
  for (let first = 0; first < 100_000; first += 1) addRun(runs, { first, count: 1, result: duplicate });
  expect(heldBytesOf(runs)).toBeLessThan(1_000);
  const { results: told } = JSON.parse([...documentPieces({ duplicates: 100_000 }, runs)].join("")) as {
    results: ReadingResult[];
  };
  expect([told.length, told.at(-1)]).toEqual([100_000, { index: 99_999, ...duplicate }]);
});

test("an answer whose pieces are taken at once gives the event loop back between them", async () => {
  const answer = { isTaken: false, turns: 0 };
  void new Response(streamOf(slowPieces(5), () => undefined)).text().then(() => (answer.isTaken = true));
  for (; !answer.isTaken; answer.turns += 1) await nextTurn();
  expect(answer.turns).toBeGreaterThan(3);
});

/** Each costs more than a turn of the event loop may. */
function* slowPieces(count: number): Generator<string> {
  for (let piece = 0; piece < count; piece += 1) {
    const endsAtMs = performance.now() + 6;
    while (performance.now() < endsAtMs) continue;
    yield "piece";
  }
}

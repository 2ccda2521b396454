import { expect, test } from "vitest";
import { allowFaults, storeJudged } from "./accept-readings.ts";
import { addRun, type ResultRun, resultsOf } from "./result-runs.ts";

const noJson = {
  kind: "invalid" as const,
  faults: [{ pointer: "", code: "malformed_json", detail: "is not valid JSON" }],
};

/** Nothing here is valid, and so nothing is stored. */
const store = () => Promise.reject(new Error("there is nothing to store"));

test("a hundred thousand results that are alike are kept as one, over the bounds of chunks", async () => {
  const allowance = allowFaults();
  allowance.left = 2;
  const runs: ResultRun[] = [];
  for (let first = 0; first < 100_000; first += 1_000) {
    const judged = Array.from({ length: 1_000 }, () => noJson);
    const chunk = await storeJudged({ store }, "acme", { judged, allowance, first });
    expect(chunk).toMatchObject({ accepted: 0, duplicates: 0, rejected: 1_000 });
    for (const run of chunk.runs) addRun(runs, run);
  }
  // Two list their fault.
  expect(runs.map(({ first, count }) => [first, count])).toEqual([
    [0, 1],
    [1, 1],
    [2, 99_998],
  ]);
  const detail = "reading is not valid JSON";
  expect([...resultsOf(runs)].at(-1)).toEqual({
    index: 99_999,
    status: "rejected",
    code: "invalid",
    detail: `${detail}; and 1 more`,
    errors_left_out: 1,
  });
  expect([...resultsOf(runs)][1]).toMatchObject({ index: 1, detail, errors: noJson.faults });
});

test("verdicts in turn that are not alike keep their own results", async () => {
  const other = {
    kind: "invalid" as const,
    faults: [{ pointer: "/a", code: "missing", detail: "is required" }],
  };
  const allowance = { left: 0 };
  const judged = [noJson, other, other, noJson];
  const { runs } = await storeJudged({ store }, "acme", { judged, allowance });
  expect(runs.map(({ first, count, result }) => [first, count, result.detail.split(" ")[0]])).toEqual([
    [0, 1, "reading"],
    [1, 2, "/a"],
    [3, 1, "reading"],
  ]);
});

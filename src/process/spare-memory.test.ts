import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createLoadWatch, giveHeapBack, growthPercentOf, youngGrowthFactorOf } from "./spare-memory.ts";

const mib = 1_048_576;

test("memory is given back once after each load that left much of it", () => {
  const isOver = createLoadWatch();
  const looks = [
    { busyShare: 0.9, memoryBytes: 500 * mib },
    { busyShare: 0.01, memoryBytes: 500 * mib },
    { busyShare: 0.01, memoryBytes: 500 * mib },
    { busyShare: 0.5, memoryBytes: 100 * mib },
    { busyShare: 0.01, memoryBytes: 100 * mib },
    { busyShare: 0.01, memoryBytes: 300 * mib },
    { busyShare: 0.01, memoryBytes: 300 * mib },
  ];
  expect(looks.map(isOver)).toEqual([false, true, false, false, false, true, false]);
});

test("the heap that a load has left is given back", () => {
  const load = Array.from({ length: 1_000_000 }, (_, n) => ({ n }));
  const before = process.memoryUsage().heapTotal;
  load.length = 0;
  giveHeapBack();
  expect(before - process.memoryUsage().heapTotal).toBeGreaterThan(20 * mib);
});

test("the heap grows freely until it is large, and by a third between two collections from then on", () => {
  expect([60, 190, 200, 500].map((heapMib) => growthPercentOf(heapMib * mib))).toEqual([0, 0, 30, 30]);
});

test("the space for young objects grows until it is large enough", () => {
  expect([1, 16, 32, 64].map((youngMib) => youngGrowthFactorOf(youngMib * mib))).toEqual([2, 2, 1, 1]);
});

test("after the heap was given back, the space for young objects is as large as before under the next load", async () => {
  const program = `
    import { getHeapSpaceStatistics } from "node:v8";
    import { giveHeapBack, spareMemory } from ${JSON.stringify(new URL("spare-memory.ts", import.meta.url).href)};
    spareMemory();
    giveHeapBack();
    const kept = [];
    const young = () => getHeapSpaceStatistics().find((one) => one.space_name === "new_space").space_size;
    for (let work = 0; work < 500 && young() < 16 * 2 ** 20; work += 1) {
      kept.push(Array.from({ length: 20_000 }, (_, n) => ({ n })));
      if (kept.length > 5) kept.shift();
      await new Promise(setImmediate);
    }
    console.log(young());
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]);
  expect(Number(stdout)).toBeGreaterThanOrEqual(16 * mib);
});

import { expect, test } from "vitest";
import { createLoadWatch, giveHeapBack, growthPercentOf } from "./spare-memory.ts";

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

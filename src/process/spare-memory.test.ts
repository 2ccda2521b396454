import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createLoadWatch, giveHeapBack, growthPercentOf, readMemoryBytes } from "./spare-memory.ts";

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

test("the memory of a process is not known while the system lets it open no more files", async () => {
  const program = `
    import { openSync } from "node:fs";
    const { readMemoryBytes } = await import(${JSON.stringify(new URL("spare-memory.ts", import.meta.url))});
    try {
      for (;;) openSync("/dev/null");
    } catch (error) {
      console.log(error.code, readMemoryBytes());
    }
  `;
  const limited = `ulimit -n 100; exec "$0" --input-type=module -e "$1"`;
  const { stdout } = await promisify(execFile)("sh", ["-c", limited, process.execPath, program]);
  expect(stdout).toBe("EMFILE undefined\n");
  expect(readMemoryBytes()).toBeGreaterThan(mib);
});

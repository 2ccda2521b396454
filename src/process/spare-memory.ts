import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const lookEveryMs = 5_000;
/** More than a process needs that has no work. */
const memoryBytesMin = 201_326_592;
const busyShareMax = 0.05;

/** Under load the heap and the bodies beside it grow freely up to this. */
const freeGrowthBytesMax = 201_326_592;
const growthLookEveryMs = 250;
/** Past that the heap grows by this much between two collections. 0: as V8 likes, up to fourfold. */
const growthPercent = { free: 0, spare: 30 };

/**
 * Keeps the heap small under a load that would make it large, and gives it back to the system once a load is over; V8
 * by itself keeps hundreds of megabytes until the next load. (To collect early at any size cost half as much processor
 * time again for a POST of 500 readings.)
 */
export function spareMemory(): void {
  // On a machine with much memory V8 lets its space for young objects grow to 128 MiB. It stays as large as loading the
  // program has made it, 32 MiB.
  setFlagsFromString("--semi-space-growth-factor=1");
  watchGrowth();
  const isOver = createLoadWatch();
  let before = readProcessor();
  setInterval(() => {
    const now = readProcessor();
    const busyShare = (now.usedMs - before.usedMs) / (now.atMs - before.atMs);
    before = now;
    if (isOver({ busyShare, memoryBytes: process.memoryUsage.rss() })) giveHeapBack();
  }, lookEveryMs).unref();
}

function watchGrowth(): void {
  let percent = growthPercent.free;
  setInterval(() => {
    const { total_heap_size: heapBytes, external_memory: externalBytes } = getHeapStatistics();
    const next = growthPercentOf(heapBytes + externalBytes);
    if (next !== percent) setFlagsFromString(`--heap-growing-percent=${next}`);
    percent = next;
  }, growthLookEveryMs).unref();
}

/** The rule for how much the heap may grow. */
export function growthPercentOf(bytes: number): number {
  return bytes > freeGrowthBytesMax ? growthPercent.spare : growthPercent.free;
}

function readProcessor(): { usedMs: number; atMs: number } {
  const { user, system } = process.cpuUsage();
  return { usedMs: (user + system) / 1_000, atMs: performance.now() };
}

/** Makes the rule for when to give memory back: once after each load that left much of it. */
export function createLoadWatch() {
  let wasBusy = true;
  return ({ busyShare, memoryBytes }: { busyShare: number; memoryBytes: number }): boolean => {
    const isOver = wasBusy && busyShare <= busyShareMax && memoryBytes > memoryBytesMin;
    wasBusy = busyShare > busyShareMax || (wasBusy && !isOver);
    return isOver;
  };
}

/** Takes some tens of milliseconds. Node has the function only behind a flag. */
export function giveHeapBack(): void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect({ type: "major", execution: "sync", flavor: "last-resort" });
}

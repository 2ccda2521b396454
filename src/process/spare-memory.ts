import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { boundYoungObjects } from "./young-objects.ts";

const youngBytesMax = 33_554_432;

const lookEveryMs = 5_000;
/** More than a process needs that has no work. */
const memoryBytesMin = 201_326_592;
const busyShareMax = 0.05;

/** Under load the heap and the bodies beside it grow freely up to this. */
const freeGrowthBytesMax = 201_326_592;
const growthLookEveryMs = 100;
/** Past that the heap grows by this much between two collections. 0: as V8 likes, up to fourfold. */
const growthPercent = { free: 0, spare: 30 };
/**
 * Keeps the heap small under a load that would make it large, and gives it back to the system once a load is over; V8
 * by itself keeps hundreds of megabytes until the next load. (To collect early at any size cost half as much processor
 * time again for a POST of 500 readings.)
 */
export function spareMemory(): void {
  boundYoungObjects(youngBytesMax);
  watchGrowth();
  const isOver = createLoadWatch();
  let before = readProcessor();
  setInterval(() => {
    const now = readProcessor();
    const busyShare = (now.usedMs - before.usedMs) / (now.atMs - before.atMs);
    before = now;
    const memoryBytes = readMemoryBytes();
    if (memoryBytes !== undefined && isOver({ busyShare, memoryBytes })) giveHeapBack();
  }, lookEveryMs).unref();
}

function watchGrowth(): void {
  let set = growthPercent.free;
  const look = () => {
    const { total_heap_size: heapBytes, external_memory: externalBytes } = getHeapStatistics();
    const percent = growthPercentOf(heapBytes + externalBytes);
    if (percent !== set) setFlagsFromString(`--heap-growing-percent=${percent}`);
    set = percent;
  };
  look();
  setInterval(look, growthLookEveryMs).unref();
}

/** The rule for how much the heap may grow. */
export function growthPercentOf(bytes: number): number {
  return bytes > freeGrowthBytesMax ? growthPercent.spare : growthPercent.free;
}

/** What the process takes of the system's memory; undefined while no file is left to read it from. */
export function readMemoryBytes(): number | undefined {
  try {
    return process.memoryUsage.rss();
  } catch (error) {
    if (error instanceof Error && "code" in error && isOutOfFiles(error.code)) return undefined;
    throw error;
  }
}

function isOutOfFiles(code: unknown): boolean {
  return code === "EMFILE" || code === "ENFILE";
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

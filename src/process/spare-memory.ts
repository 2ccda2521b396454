import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

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
 * From this size on V8's space for young objects does not double any more; by itself V8 lets it grow to 128 MiB on a
 * machine with much memory. Below, it has to: V8 makes it 1 MiB when a process idles, and so small a space is collected
 * forty times as often.
 */
const youngBytesFrom = 33_554_432;
const youngGrowthFactor = { free: 2, spare: 1 };

/**
 * Keeps the heap small under a load that would make it large, and gives it back to the system once a load is over; V8
 * by itself keeps hundreds of megabytes until the next load. (To collect early at any size cost half as much processor
 * time again for a POST of 500 readings.)
 */
export function spareMemory(): void {
  // With helpers for a space this small, the event loop mostly waits until they get a processor.
  setFlagsFromString("--no-parallel-scavenge");
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
  const set = { percent: growthPercent.free, factor: 0 };
  const look = () => {
    const { total_heap_size: heapBytes, external_memory: externalBytes } = getHeapStatistics();
    const percent = growthPercentOf(heapBytes + externalBytes);
    if (percent !== set.percent) setFlagsFromString(`--heap-growing-percent=${percent}`);
    const factor = youngGrowthFactorOf(readYoungBytes());
    if (factor !== set.factor) setFlagsFromString(`--semi-space-growth-factor=${factor}`);
    Object.assign(set, { percent, factor });
  };
  look();
  setInterval(look, growthLookEveryMs).unref();
}

function readYoungBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space")?.space_size ?? 0;
}

/** The rule for how the space for young objects grows. */
export function youngGrowthFactorOf(bytes: number): number {
  return bytes < youngBytesFrom ? youngGrowthFactor.free : youngGrowthFactor.spare;
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

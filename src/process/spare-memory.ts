import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const lookEveryMs = 5_000;
/** More than a process needs that has no work. */
const memoryBytesMin = 201_326_592;
const busyShareMax = 0.05;

/**
 * Gives the heap back to the system once a load is over. V8 by itself keeps hundreds of megabytes until the next load.
 * (To collect earlier under load, by `--heap-growing-percent=30`, cost half as much processor time again for a POST of
 * 500 readings.)
 */
export function spareMemory(): void {
  const isOver = createLoadWatch();
  let before = readProcessor();
  setInterval(() => {
    const now = readProcessor();
    const busyShare = (now.usedMs - before.usedMs) / (now.atMs - before.atMs);
    before = now;
    if (isOver({ busyShare, memoryBytes: process.memoryUsage.rss() })) giveHeapBack();
  }, lookEveryMs).unref();
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

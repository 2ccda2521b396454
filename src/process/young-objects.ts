import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

const lookEveryMs = 100;
const growthFactor = { below: 2, from: 1 };

/**
 * Bounds V8's space for young objects: from this size on, in bytes, it does not double any more. By itself V8 lets it grow
 * to 128 MiB on a machine with much memory. Below the bound it grows again under the next load after an idle time: V8
 * makes it 1 MiB when a process idles, and so small a space is collected forty times as often.
 */
export function boundYoungObjects(bytesMax: number): void {
  // With helpers for a space this small, the event loop mostly waits until they get a processor.
  setFlagsFromString("--no-parallel-scavenge");
  let set = 0;
  const look = () => {
    const factor = youngGrowthFactorOf(readYoungBytes(), bytesMax);
    if (factor !== set) setFlagsFromString(`--semi-space-growth-factor=${factor}`);
    set = factor;
  };
  look();
  setInterval(look, lookEveryMs).unref();
}

function readYoungBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space")?.space_size ?? 0;
}

/** The rule for how the space for young objects grows. */
export function youngGrowthFactorOf(bytes: number, bytesMax: number): number {
  return bytes < bytesMax ? growthFactor.below : growthFactor.from;
}

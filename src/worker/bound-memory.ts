import { setFlagsFromString } from "node:v8";
import { boundYoungObjects } from "../process/young-objects.ts";

/**
 * Keeps a worker's heap small on a machine with much memory, where V8 lets the space for young objects grow to 128 MiB,
 * and the one for old objects to several times the live objects, which are 25 MiB here. The second grows by a third
 * before it is collected again.
 */
export function boundMemory(): void {
  boundYoungObjects();
  setFlagsFromString("--heap-growing-percent=30");
}

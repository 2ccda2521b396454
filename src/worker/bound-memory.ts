import { setFlagsFromString } from "node:v8";
import { boundYoungObjects } from "../process/young-objects.ts";

/** Half as much is collected twice as often, and what is then still needed goes to the old objects: a twentieth of a drain. */
const youngBytesMax = 67_108_864;

/**
 * Keeps a worker's heap small on a machine with much memory, where V8 lets the space for young objects grow to 128 MiB,
 * and the one for old objects to several times the live objects, which are 25 MiB here. The second grows by
 * 60 % before it is collected again: where it grew by 30, that was once a second of a drain, by helper threads on a core
 * that Postgres needs, too; where it doubled, 200,000 undelivered events took nearly all of the 256 MiB that a worker may.
 */
export function boundMemory(): void {
  boundYoungObjects(youngBytesMax);
  setFlagsFromString("--heap-growing-percent=60");
}

import type { IntakeResult, ReadingResult } from "../../intake/accept-readings.ts";

/** What an object with its members costs, about; every text in it comes on top. */
const objectBytes = 64;

/** What the results of a chunk cost while they wait for the client to read them, about. */
export function heldBytesOf({ results }: IntakeResult): number {
  return results.reduce((sum, result) => sum + bytesOf(result), objectBytes);
}

function bytesOf({ detail, errors = [] }: ReadingResult): number {
  const texts = errors.reduce(
    (sum, error) => sum + objectBytes + error.pointer.length + error.detail.length,
    0,
  );
  return objectBytes + detail.length + texts;
}

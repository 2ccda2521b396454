import type { BatchAnswer } from "./gateway.ts";

/** What the API answered about one organization's readings; those sent again count again. */
export type Tally = { accepted: number; duplicates: number; rejected: number };

export const emptyTally: Tally = { accepted: 0, duplicates: 0, rejected: 0 };

/** Adds one answer to a tally, or one tally to another. */
export function addToTally(tally: Tally, answer: BatchAnswer): Tally {
  return {
    accepted: tally.accepted + answer.accepted,
    duplicates: tally.duplicates + answer.duplicates,
    rejected: tally.rejected + answer.rejected,
  };
}

/** Every reading that the API answered for. */
export function sentReadings({ accepted, duplicates, rejected }: Tally): number {
  return accepted + duplicates + rejected;
}

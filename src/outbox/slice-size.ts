/** A transaction of the seal should take this part of the time after which it is given up. */
const partWanted = 1 / 4;
const halvingsMax = 12;

export type SliceSize = {
  /** How much of `most` this machine has shown that it can do in time, one at least. */
  of: (most: number) => number;
  /** Notes that a transaction of this size took so long. */
  took: (ms: number) => void;
  /** Halves the size; returns false when it cannot be smaller. */
  halve: () => boolean;
};

/** Finds out how much may be sealed in one transaction: halved when a transaction is slow, doubled when it is not. */
export function createSliceSize({ msPerTransaction }: { msPerTransaction: number }): SliceSize {
  const msWanted = msPerTransaction * partWanted;
  let halvings = 0;
  function halve(): boolean {
    if (halvings === halvingsMax) return false;
    halvings += 1;
    return true;
  }
  return {
    of: (most) => Math.max(1, Math.floor(most / 2 ** halvings)),
    took: (ms) => {
      if (ms > msWanted) halve();
      else if (ms < msWanted / 4) halvings = Math.max(halvings - 1, 0);
    },
    halve,
  };
}

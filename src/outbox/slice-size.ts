/** A transaction of the seal should take this part of the time after which it is given up. */
const partWanted = 1 / 4;
const halvingsMax = 12;
/** A turn looks its organization up once, however many slices it has. */
const slicesEachMax = 8;

export type SliceSize = {
  /** How much of `most` this machine has shown that it can do in time, one at least. */
  of: (most: number) => number;
  /** How many slices each of so many organizations may have in its turn, where there is room for `room` of all together. */
  slicesEach: (organizations: number, room: number) => number;
  /** Notes that a transaction with so many slices of each took so long. */
  took: (ms: number, slicesEach: number) => void;
  /**
   * After a transaction that failed: one slice of each where there were several, or else half of all that is `of`. Returns
   * false when it cannot be smaller.
   */
  shrink: (slicesEach: number) => boolean;
};

/**
 * Finds out how much may be sealed in one transaction: half where one was slow, of the slices of each first, and twice as
 * much where it was not.
 */
export function createSliceSize({ msPerTransaction }: { msPerTransaction: number }): SliceSize {
  const msWanted = msPerTransaction * partWanted;
  let halvings = 0;
  let eachMax = slicesEachMax;
  function halve(): boolean {
    if (halvings === halvingsMax) return false;
    halvings += 1;
    return true;
  }
  return {
    of: (most) => Math.max(1, Math.floor(most / 2 ** halvings)),
    slicesEach: (organizations, room) => Math.max(1, Math.min(eachMax, Math.floor(room / organizations))),
    took: (ms, slicesEach) => {
      if (ms > msWanted && slicesEach > 1) eachMax = Math.floor(slicesEach / 2);
      else if (ms > msWanted) halve();
      else if (ms < msWanted / 4 && halvings > 0) halvings -= 1;
      else if (ms < msWanted / 4) eachMax = Math.min(slicesEachMax, 2 * eachMax);
    },
    shrink: (slicesEach) => {
      if (slicesEach === 1) return halve();
      eachMax = 1;
      return true;
    },
  };
}

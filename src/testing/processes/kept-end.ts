/** Keeps the end of a long text that comes in pieces. */
export type KeptEnd = { add: (piece: string) => void; read: () => string };

/**
 * Of more than `charsMax` characters at least the last half of `charsMax` is kept, and never more than all of it with
 * one piece. An older half is dropped as a whole: to cut the text for each piece would copy all of it each time.
 */
export function keepEnd(charsMax: number): KeptEnd {
  let older = "";
  let newer = "";
  return {
    add(piece) {
      if (newer.length >= charsMax / 2) {
        older = newer;
        newer = "";
      }
      newer += piece;
    },
    read: () => older + newer,
  };
}

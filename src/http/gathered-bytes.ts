import type { Hold } from "./held-bytes.ts";

/** A room is half as large as all before it together, within these bounds. */
const roomBytesMin = 16_384;
const roomBytesMax = 65_536;
/** A piece of this length is kept as it is. */
const ownPieceBytesMin = 32_768;

/**
 * Gathers the pieces of a body: large ones as they come, small ones in rooms of some kilobytes, since a list of pieces
 * would cost a hundred times their bytes when a client sends them one byte at a time. Throws the 503 `overloaded` when
 * `hold` has no room for more.
 */
export class GatheredBytes {
  readonly #hold: Hold;
  readonly #pieces: Uint8Array[] = [];
  #room = Buffer.alloc(0);
  #filled = 0;
  #bytes = 0;

  constructor(hold: Hold) {
    this.#hold = hold;
  }

  add(piece: Uint8Array): void {
    this.#bytes += piece.byteLength;
    if (isWhole(piece)) {
      this.#hold.take(piece.byteLength);
      this.#endRoom();
      this.#pieces.push(piece);
      return;
    }
    for (let rest = piece; rest.byteLength > 0;) {
      if (this.#filled === this.#room.byteLength) this.#beginRoom();
      const part = rest.subarray(0, this.#room.byteLength - this.#filled);
      this.#room.set(part, this.#filled);
      this.#filled += part.byteLength;
      rest = rest.subarray(part.byteLength);
    }
  }

  bytes(): Uint8Array {
    this.#endRoom();
    const [only] = this.#pieces;
    return this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces);
  }

  #beginRoom(): void {
    const half = Math.ceil(this.#bytes / 2);
    const size = Math.min(Math.max(roomBytesMin, half), roomBytesMax);
    this.#hold.take(size);
    this.#endRoom();
    this.#room = Buffer.allocUnsafeSlow(size);
  }

  #endRoom(): void {
    if (this.#filled > 0) this.#pieces.push(this.#room.subarray(0, this.#filled));
    this.#room = Buffer.alloc(0);
    this.#filled = 0;
  }
}

/** Whether a piece is worth keeping, and keeps no larger memory than itself. */
function isWhole({ byteLength, buffer }: Uint8Array): boolean {
  return byteLength >= ownPieceBytesMin && buffer.byteLength === byteLength;
}

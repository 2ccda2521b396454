import type { Hold } from "./held-bytes.ts";

const roomAtFirst = 16_384;

/**
 * Gathers the pieces of a body into one buffer, which grows by half. A list of pieces would cost a hundred times their
 * bytes when a client sends them one byte at a time. Throws the 503 `overloaded` when `hold` has no room for more.
 */
export class GatheredBytes {
  readonly #hold: Hold;
  #room = Buffer.alloc(0);
  #length = 0;

  constructor(hold: Hold) {
    this.#hold = hold;
  }

  add(piece: Uint8Array): void {
    const length = this.#length + piece.byteLength;
    if (length > this.#room.byteLength) this.#grow(length);
    this.#room.set(piece, this.#length);
    this.#length = length;
  }

  bytes(): Uint8Array {
    return this.#room.subarray(0, this.#length);
  }

  #grow(length: number): void {
    const before = this.#room;
    const size = Math.max(length, roomAtFirst, before.byteLength + (before.byteLength >> 1));
    this.#hold.take(size - before.byteLength);
    this.#room = Buffer.allocUnsafeSlow(size);
    this.#room.set(before.subarray(0, this.#length));
  }
}

import { overloaded } from "./overloaded.ts";
import type { Problem } from "./problem.ts";

/** The default of `HELD_BYTES_MAX`, which sets the API's. */
const heldBytesMaxDefault = 268_435_456;
const shareOfOne = 1 / 4;
/** The largest body that is gathered, with the room that it grows into. */
const shareBytesMin = 2 * 1_048_576;

/**
 * The bytes that a process holds for all its clients together: bodies that are being read or worked on, and answers
 * that their readers have not taken yet. Bytes past the bound are refused with the 503 `overloaded`.
 */
export class HeldBytes {
  readonly bytesMax: number;
  readonly #whole: HeldBytes | undefined;
  readonly #shares = new Map<string, HeldBytes>();
  #bytes = 0;
  #refusals = 0;

  constructor(bytesMax = heldBytesMaxDefault, whole?: HeldBytes) {
    this.bytesMax = bytesMax;
    this.#whole = whole;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Requests that were refused since the start. */
  get refusals(): number {
    return this.#refusals;
  }

  /**
   * The share of one organization, of strangers, or of the webhook, each by its name: a quarter of the whole, so that
   * none of them keeps the others out. There are as many shares as organizations that have asked with a key.
   */
  shareOf(owner: string): HeldBytes {
    const known = this.#shares.get(owner);
    if (known !== undefined) return known;
    const bytesMax = Math.min(this.bytesMax, Math.max(this.bytesMax * shareOfOne, shareBytesMin));
    const share = new HeldBytes(bytesMax, this);
    this.#shares.set(owner, share);
    return share;
  }

  /** A hold for one request, which has no bytes yet. */
  begin(): Hold {
    return new Hold(this);
  }

  /** Whether there is room for so many bytes more. */
  hasRoom(bytes = 1): boolean {
    return this.#bytes + bytes <= this.bytesMax && (this.#whole?.hasRoom(bytes) ?? true);
  }

  /**
   * Throws the 503 when there is no room for so many bytes more; without a number, when there is no room for a single
   * one.
   */
  admit(bytes = 1): void {
    if (this.#bytes + bytes > this.bytesMax) throw this.refuse();
    this.#whole?.admit(bytes);
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    this.#whole?.add(bytes);
  }

  private refuse(): Problem {
    const whole = this.#whole ?? this;
    whole.#refusals += 1;
    return overloaded(
      this.#whole === undefined
        ? "This process holds as many bytes for its clients as it may (HELD_BYTES_MAX). Send the same request again."
        : "This process holds as many bytes for this client as it may (a share of HELD_BYTES_MAX). Send the same request again.",
    );
  }
}

/** The bytes that one request holds. Given back at the request's end, in every case. */
export class Hold {
  readonly #held: HeldBytes;
  #bytes = 0;

  constructor(held: HeldBytes) {
    this.#held = held;
  }

  /** Holds so many bytes more. Throws the 503 `overloaded`, and then holds as many as before. */
  take(bytes: number): void {
    this.#held.admit(bytes);
    this.keep(bytes);
  }

  /** Counts bytes that are in memory already, so that a refusal would save none. */
  keep(bytes: number): void {
    this.#bytes += bytes;
    this.#held.add(bytes);
  }

  /** Throws the 503 when more is held than may be. */
  admit(): void {
    this.#held.admit(0);
  }

  /** A hold for something that lives longer than this one, such as an answer that is still being written. */
  beginAnother(): Hold {
    return this.#held.begin();
  }

  giveBack(bytes: number): void {
    this.keep(-bytes);
  }

  release(): void {
    this.keep(-this.#bytes);
  }
}

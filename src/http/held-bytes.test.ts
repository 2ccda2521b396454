import { expect, test } from "vitest";
import { HeldBytes } from "./held-bytes.ts";

test("what all requests hold together is bounded, and what would go past it is refused and not counted", () => {
  const held = new HeldBytes(100);
  const [one, other] = [held.begin(), held.begin()];
  one.take(60);
  expect(() => other.take(41)).toThrow(expect.objectContaining({ fields: refusal }));
  expect([held.bytes, held.refusals]).toEqual([60, 1]);
  other.take(40);
  expect(() => held.admit()).toThrow("HELD_BYTES_MAX");
});

test("what a request held is given back once, at its end", () => {
  const held = new HeldBytes(100);
  const hold = held.begin();
  hold.take(70);
  hold.giveBack(20);
  expect(held.bytes).toBe(50);
  hold.release();
  hold.release();
  expect(held.bytes).toBe(0);
});

test("what is in memory already is counted past the bound, and then keeps others out", () => {
  const held = new HeldBytes(100);
  const hold = held.begin();
  hold.keep(150);
  expect(() => hold.admit()).toThrow("HELD_BYTES_MAX");
  hold.release();
  hold.admit();
});

test("each owner has a quarter, which counts in the whole, and leaves the rest to others", () => {
  const whole = new HeldBytes(40_000_000);
  const one = whole.shareOf("one").begin();
  one.take(10_000_000);
  expect(() => whole.shareOf("one").begin().take(1)).toThrow("HELD_BYTES_MAX");
  expect([whole.bytes, whole.refusals]).toEqual([10_000_000, 1]);
  for (const other of ["two", "three", "four"]) whole.shareOf(other).begin().take(10_000_000);
  expect(() => whole.shareOf("five").begin().take(1)).toThrow("HELD_BYTES_MAX");
  one.release();
  whole.shareOf("five").begin().take(1);
});

const refusal: unknown = expect.objectContaining({
  status: 503,
  code: "overloaded",
  headers: { "retry-after": "1" },
});

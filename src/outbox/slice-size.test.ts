import { expect, test } from "vitest";
import { createSliceSize } from "./slice-size.ts";

const organizations = 100;
const room = 2_000;
/** A transaction should take 500 ms, and may do more where one took less than 125. */
const msPerTransaction = 2_000;
const [slow, well, fast] = [501, 300, 124];

function open() {
  const size = createSliceSize({ msPerTransaction });
  const slicesEach = () => size.slicesEach(organizations, room);
  /** Slices of each, and entries of a transaction, after each of these transactions. */
  const sizesAfter = (...transactions: readonly number[]) =>
    transactions.map((ms) => {
      size.took(ms, slicesEach());
      return [slicesEach(), size.of(20_000)];
    });
  return { size, slicesEach, sizesAfter };
}

test("an organization has as many slices as there is room for, eight at most and one at least", () => {
  const { size } = open();

  expect([1, 250, 500, 1_999, 2_000, 5_000].map((count) => size.slicesEach(count, room))).toEqual([
    8, 8, 4, 1, 1, 1,
  ]);
});

test("after slow transactions each organization has fewer slices, and only then a transaction takes less", () => {
  const { sizesAfter } = open();

  expect(sizesAfter(well, slow, slow, slow, slow, slow)).toEqual([
    [8, 20_000],
    [4, 20_000],
    [2, 20_000],
    [1, 20_000],
    [1, 10_000],
    [1, 5_000],
  ]);
});

test("after fast ones it takes more again, and then each has more slices", () => {
  const { sizesAfter } = open();
  sizesAfter(slow, slow, slow, slow);

  expect(sizesAfter(well, fast, fast, fast, fast, fast)).toEqual([
    [1, 10_000],
    [1, 20_000],
    [2, 20_000],
    [4, 20_000],
    [8, 20_000],
    [8, 20_000],
  ]);
});

test("after one that failed each has one slice, and then a transaction takes half, until it takes one", () => {
  const { size, slicesEach } = open();

  expect(size.shrink(slicesEach())).toBe(true);
  expect([slicesEach(), size.of(2_000)]).toEqual([1, 2_000]);
  let times = 0;
  while (size.shrink(slicesEach())) times += 1;

  expect(times).toBe(12);
  expect(size.of(2_000)).toBe(1);
});
